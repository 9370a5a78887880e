-- outbox_take_v1: give the events that are due to a relay, and hide them from the others for a while.
-- Locks:   those rows of stock_outbox, passing over what is locked, until the statement's commit.
-- Raises:  HR001 an argument is out of its range.
-- Returns: the events, oldest first. One that is not told to be delivered is due again after p_lease_s, doubled with
--          each attempt up to an hour; one that was taken p_max_attempts times is a dead letter and is not returned.
-- Used by: service/stock/outbox.py; any number of relays may run. Any psql session may call it.
CREATE FUNCTION public.outbox_take_v1(
    p_limit integer DEFAULT 100, p_lease_s integer DEFAULT 60, p_max_attempts integer DEFAULT 10
)
RETURNS TABLE (
    event_id bigint, event text, order_id uuid, product_id bigint, payload jsonb, created_at timestamptz,
    attempts smallint
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
    -- A variable, because the index cannot serve a function that changes while it is read.
    v_now CONSTANT timestamptz := clock_timestamp();
BEGIN
    IF p_limit IS NULL OR p_limit NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'the limit is %; 1 to 1000 are allowed', p_limit USING ERRCODE = 'HR001';
    ELSIF p_lease_s IS NULL OR p_lease_s NOT BETWEEN 1 AND 3600 THEN
        RAISE EXCEPTION 'the lease is % s; 1 to 3600 are allowed', p_lease_s USING ERRCODE = 'HR001';
    ELSIF p_max_attempts IS NULL OR p_max_attempts NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION '% attempts are no limit; 1 to 100 are allowed', p_max_attempts USING ERRCODE = 'HR001';
    END IF;
    RETURN QUERY
    WITH due AS (
        SELECT o.id FROM stock_outbox AS o
         WHERE o.delivered_at IS NULL AND o.dead_at IS NULL AND o.next_attempt_at <= v_now
         ORDER BY o.next_attempt_at, o.id LIMIT p_limit
           FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE stock_outbox AS o
           SET attempts = o.attempts + CASE WHEN o.attempts < p_max_attempts THEN 1 ELSE 0 END,
               next_attempt_at = v_now + least(interval '1 hour', make_interval(secs => p_lease_s * 2.0 ^ o.attempts)),
               dead_at = CASE WHEN o.attempts >= p_max_attempts THEN v_now END,
               last_error = CASE WHEN o.attempts >= p_max_attempts
                                 THEN coalesce(o.last_error, 'taken as often as allowed, and never delivered')
                                 ELSE o.last_error END
          FROM due WHERE o.id = due.id
        RETURNING o.id, o.event, o.order_id, o.product_id, o.payload, o.created_at, o.attempts, o.dead_at
    )
    SELECT t.id, t.event::text, t.order_id, t.product_id, t.payload, t.created_at, t.attempts
      FROM taken AS t WHERE t.dead_at IS NULL ORDER BY t.id;
END
$function$;
REVOKE ALL ON FUNCTION public.outbox_take_v1(integer, integer, integer) FROM PUBLIC;
