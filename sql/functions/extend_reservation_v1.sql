-- extend_reservation_v1: give a held order more time, a bounded number of times.
-- Locks:   the order's reservations.
-- Raises:  HR001 the ttl is out of its range.
-- Returns: outcome extended, limit_reached, paying, confirmed, released, expired or not_found; expires_at.
-- Used by: service/stock. Any psql session may call it.
CREATE FUNCTION public.extend_reservation_v1(
    p_user_id bigint, p_order_id uuid, p_ttl_s integer, OUT outcome text, OUT expires_at timestamptz
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    -- A hold that can be extended for ever is a sale without a payment.
    c_max_extensions CONSTANT integer := 3;
BEGIN
    IF p_ttl_s IS NULL OR p_ttl_s NOT BETWEEN 1 AND 86400 THEN
        RAISE EXCEPTION 'the ttl is % s; 1 to 86400 are allowed', p_ttl_s USING ERRCODE = 'HR001';
    END IF;
    outcome := stock_order_state_v1(p_user_id, p_order_id, NULL);
    IF outcome <> 'held' THEN
        RETURN;
    END IF;
    UPDATE stock_reservation AS r
       SET extensions = r.extensions + 1, updated_at = clock_timestamp(),
           expires_at = greatest(r.expires_at, clock_timestamp() + make_interval(secs => p_ttl_s))
     WHERE r.order_id = p_order_id AND r.status = 'held' AND r.extensions < c_max_extensions;
    outcome := CASE WHEN FOUND THEN 'extended' ELSE 'limit_reached' END;
    IF outcome = 'extended' THEN
        SELECT min(r.expires_at) INTO expires_at FROM stock_reservation AS r
         WHERE r.order_id = p_order_id AND r.status = 'held';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.extend_reservation_v1(bigint, uuid, integer) FROM PUBLIC;
