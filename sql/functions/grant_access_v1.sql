-- grant_access_v1: give a role what its kind needs, and take away what it had beyond that.
-- Locks:   the catalogue rows of the tables, for a moment.
-- Raises:  HR001 the role does not exist, or the kind is none of these: app (EXECUTE and SELECT; the API), admin (that, and
--          writing products, users and sessions; the admin site), lab (writing stock as well; only for strategies that
--          write from Python), readonly, none.
-- Used by: the owner, after each migration that adds a function; the local stack does.
CREATE FUNCTION public.grant_access_v1(p_role name, p_kind text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    -- Every version of these: two releases may run side by side.
    c_functions CONSTANT text := '^(reserve_stock|reserve_and_commit|reserve_stock_many|begin_payment|extend_reservation'
        '|confirm_reservation|release_reservation|expire_reservations|restock|adjust_stock|stock_availability'
        '|join_waitlist|leave_waitlist|check_stock|outbox_take|outbox_settle|outbox_retry|outbox_purge|notify_buyer'
        '|checkout_start|checkout_take|checkout_record|checkout_settle'
        '|open_session|refresh_session|end_session|end_sessions|purge_sessions)_v[0-9]+$';
    c_reading CONSTANT text := '^(stock_availability|check_stock)_v[0-9]+$';
    c_stock CONSTANT text[] := ARRAY['product', 'product_category', 'warehouse', 'product_stock', 'stock_unit',
        'stock_reservation', 'stock_transaction', 'stock_payment', 'stock_user_total', 'stock_waitlist', 'stock_outbox',
        'stock_notification', 'checkout'];
    c_catalog CONSTANT text[] := ARRAY['product', 'product_category', 'warehouse'];
    c_people CONSTANT text[] := ARRAY['account_user', 'account_user_groups', 'account_user_user_permissions', 'auth_group',
        'auth_group_permissions', 'auth_permission', 'django_content_type', 'django_session', 'django_admin_log'];
    v_table record;
    v_function record;
    v_rights text;
BEGIN
    IF p_kind IS NULL OR p_kind NOT IN ('app', 'admin', 'lab', 'readonly', 'none') THEN
        RAISE EXCEPTION 'the kind is %; app, admin, lab, readonly and none are allowed', p_kind USING ERRCODE = 'HR001';
    ELSIF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = p_role) THEN
        RAISE EXCEPTION 'there is no role %: create it first', p_role USING ERRCODE = 'HR001';
    END IF;
    FOR v_table IN
        SELECT c.oid::regclass AS name, c.relname = ANY (c_stock) AS is_stock, c.relname = ANY (c_catalog) AS is_catalog,
               c.relname = 'account_user' AS is_user, c.relname = 'django_migrations' AS is_state
          FROM pg_class AS c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND c.relname = ANY (c_stock || c_people || 'django_migrations'::text)
    LOOP
        v_rights := CASE
            WHEN p_kind = 'none' THEN ''
            -- A process looks whether its database has its migrations before it starts.
            WHEN v_table.is_state THEN 'SELECT'
            WHEN v_table.is_stock AND p_kind = 'lab' THEN 'SELECT, INSERT, UPDATE, DELETE'
            WHEN v_table.is_catalog AND p_kind = 'admin' THEN 'SELECT, INSERT, UPDATE, DELETE'
            WHEN v_table.is_stock THEN 'SELECT'
            WHEN p_kind = 'admin' THEN 'SELECT, INSERT, UPDATE, DELETE'
            -- A login renews an older hash, and nothing else of the user.
            WHEN v_table.is_user AND p_kind IN ('app', 'lab') THEN 'SELECT, UPDATE (password, last_login)'
            ELSE '' END;
        EXECUTE format('REVOKE ALL ON %s FROM %I', v_table.name, p_role);
        IF v_rights <> '' THEN
            EXECUTE format('GRANT %s ON %s TO %I', v_rights, v_table.name, p_role);
        END IF;
    END LOOP;
    FOR v_function IN
        SELECT p.oid::regprocedure AS name,
               p.proname ~ c_functions AND p_kind IN ('app', 'admin', 'lab')
               OR p.proname ~ c_reading AND p_kind = 'readonly' AS is_granted
          FROM pg_proc AS p
         WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ c_functions
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM %I', v_function.name, p_role);
        IF v_function.is_granted THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', v_function.name, p_role);
        END IF;
    END LOOP;
    EXECUTE format(CASE p_kind WHEN 'none' THEN 'REVOKE USAGE ON SCHEMA public FROM %I'
                                ELSE 'GRANT USAGE ON SCHEMA public TO %I' END, p_role);
END
$function$;
REVOKE ALL ON FUNCTION public.grant_access_v1(name, text) FROM PUBLIC;
