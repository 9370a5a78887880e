-- expire_reservations_v1: end due holds and give their units back or on to those who wait.
-- Locks:   due reservations that nobody else has locked, then all counters of their products in ascending id.
-- Raises:  HR001 the limit is out of its range.
-- Returns: how many reservations were expired; fewer than p_limit when none is left.
-- Used by: the sweeper; any number of them may run. Any psql session may call it.
CREATE FUNCTION public.expire_reservations_v1(p_limit integer DEFAULT 500)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_due bigint[];
    -- A variable, because the index cannot serve a function that changes while it is read.
    v_now CONSTANT timestamptz := clock_timestamp();
BEGIN
    IF p_limit IS NULL OR p_limit NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'the limit is %; 1 to 10000 are allowed', p_limit USING ERRCODE = 'HR001';
    END IF;
    SELECT array_agg(due.id) INTO v_due
      FROM (SELECT r.id FROM stock_reservation AS r
             WHERE r.status IN ('held', 'paying') AND r.expires_at <= v_now
             ORDER BY r.expires_at LIMIT p_limit
               FOR UPDATE SKIP LOCKED) AS due;
    IF v_due IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM stock_offer_v1(stock_free_v1(v_due, 'expired', 'expire'));
    RETURN cardinality(v_due);
END
$function$;
REVOKE ALL ON FUNCTION public.expire_reservations_v1(integer) FROM PUBLIC;
