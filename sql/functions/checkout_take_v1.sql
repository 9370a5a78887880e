-- checkout_take_v1: give the checkouts that are due to a worker, and hide them from the others for a while.
-- Locks:   those rows of checkout, passing over what is locked, until the statement's commit.
-- Raises:  HR001 an argument is out of its range.
-- Returns: the checkouts that are not over, the longest due first; each is due again after p_lease_s.
-- Used by: service/checkout; any number of workers may run. Any psql session may call it.
CREATE FUNCTION public.checkout_take_v1(p_limit integer DEFAULT 1, p_lease_s integer DEFAULT 30)
RETURNS TABLE (order_id uuid, amount numeric, step text, attempts integer)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
    v_now CONSTANT timestamptz := clock_timestamp();
BEGIN
    IF p_limit IS NULL OR p_limit NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'the limit is %; 1 to 1000 are allowed', p_limit USING ERRCODE = 'HR001';
    ELSIF p_lease_s IS NULL OR p_lease_s NOT BETWEEN 1 AND 3600 THEN
        RAISE EXCEPTION 'the lease is % s; 1 to 3600 are allowed', p_lease_s USING ERRCODE = 'HR001';
    END IF;
    RETURN QUERY
    WITH due AS (
        SELECT c.order_id FROM checkout AS c
         WHERE c.step IN ('authorising', 'confirming', 'voiding', 'releasing') AND c.next_attempt_at <= v_now
         ORDER BY c.next_attempt_at LIMIT p_limit
           FOR UPDATE SKIP LOCKED
    )
    UPDATE checkout AS c
       SET attempts = c.attempts + 1, next_attempt_at = v_now + make_interval(secs => p_lease_s)
      FROM due WHERE c.order_id = due.order_id
    RETURNING c.order_id, c.amount, c.step::text, c.attempts;
END
$function$;
REVOKE ALL ON FUNCTION public.checkout_take_v1(integer, integer) FROM PUBLIC;
