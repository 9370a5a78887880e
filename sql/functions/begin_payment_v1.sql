-- begin_payment_v1: protect an order's holds from expiry while its buyer pays.
-- Locks:   the order's reservations.
-- Raises:  HR001 the window is not longer than the hold's own time, or longer than a day.
-- Returns: outcome paying (also when it was paying already), confirmed, released, expired or not_found; expires_at.
-- Used by: service/stock. Any psql session may call it.
CREATE FUNCTION public.begin_payment_v1(
    p_user_id bigint, p_order_id uuid, p_window_s integer, OUT outcome text, OUT expires_at timestamptz
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_ttl interval;
BEGIN
    IF p_window_s IS NULL OR p_window_s NOT BETWEEN 1 AND 86400 THEN
        RAISE EXCEPTION 'the payment window is % s; 1 to 86400 are allowed', p_window_s USING ERRCODE = 'HR001';
    END IF;
    outcome := stock_order_state_v1(p_user_id, p_order_id, NULL);
    IF outcome = 'held' THEN
        -- updated_at is when the hold was granted or extended: a payment must not end before the hold would have.
        SELECT max(r.expires_at - r.updated_at) INTO v_ttl FROM stock_reservation AS r
         WHERE r.order_id = p_order_id AND r.status = 'held';
        IF make_interval(secs => p_window_s) <= v_ttl THEN
            RAISE EXCEPTION 'the payment window is % s; it must be longer than the hold''s % s',
                p_window_s, extract(epoch FROM v_ttl)::integer USING ERRCODE = 'HR001';
        END IF;
        UPDATE stock_reservation AS r
           SET status = 'paying', updated_at = clock_timestamp(),
               expires_at = greatest(r.expires_at, clock_timestamp() + make_interval(secs => p_window_s))
         WHERE r.order_id = p_order_id AND r.status = 'held';
        outcome := 'paying';
    END IF;
    IF outcome = 'paying' THEN
        SELECT min(r.expires_at) INTO expires_at FROM stock_reservation AS r
         WHERE r.order_id = p_order_id AND r.status = 'paying';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.begin_payment_v1(bigint, uuid, integer) FROM PUBLIC;
