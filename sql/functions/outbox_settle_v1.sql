-- outbox_settle_v1: say what became of events that were taken.
-- Locks:   those rows of stock_outbox, in ascending id.
-- Raises:  HR001 the outcome is none of these: published (the broker has it), delivered (its consumer is done), failed
--          (its consumer refused it: again after a pause that grows, a dead letter after p_max_attempts), returned (the
--          broker took nothing: due again soon, and not counted as an attempt).
-- Returns: how many events this was news of; one that was delivered stays so.
-- Used by: service/stock/outbox.py. Any psql session may call it.
CREATE FUNCTION public.outbox_settle_v1(
    p_event_ids bigint[], p_outcome text, p_error text DEFAULT NULL, p_max_attempts integer DEFAULT 10
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    -- A failure that lasts longer is not mended by asking oftener.
    c_max_pause_s CONSTANT integer := 300;
    -- How soon a broker that was away is tried again.
    c_return_s CONSTANT integer := 5;
    c_error_chars CONSTANT integer := 1000;
    v_now CONSTANT timestamptz := clock_timestamp();
    v_open bigint[];
BEGIN
    IF p_outcome IS NULL OR p_outcome NOT IN ('published', 'delivered', 'failed', 'returned') THEN
        RAISE EXCEPTION 'the outcome is %; published, delivered, failed and returned are allowed', p_outcome
            USING ERRCODE = 'HR001';
    END IF;
    SELECT array_agg(open.id) INTO v_open
      FROM (SELECT o.id FROM stock_outbox AS o
             WHERE o.id = ANY (p_event_ids) AND o.delivered_at IS NULL
               -- A dead letter that arrives after all is delivered; nothing else becomes of it.
               AND (o.dead_at IS NULL OR p_outcome = 'delivered')
             ORDER BY o.id FOR UPDATE) AS open;
    IF v_open IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE stock_outbox AS o
       SET published_at = CASE WHEN p_outcome = 'published' THEN v_now
                               -- A consumer may be faster than its relay.
                               WHEN p_outcome = 'delivered' THEN coalesce(o.published_at, v_now)
                               ELSE o.published_at END,
           delivered_at = CASE WHEN p_outcome = 'delivered' THEN v_now END,
           dead_at = CASE WHEN p_outcome = 'failed' AND o.attempts >= p_max_attempts THEN v_now END,
           attempts = CASE WHEN p_outcome = 'returned' THEN greatest(o.attempts - 1, 0) ELSE o.attempts END,
           -- Without an error it counts among those that consumers are busy with (service/stock/outbox.py).
           last_error = CASE WHEN p_outcome IN ('failed', 'returned') THEN left(p_error, c_error_chars)
                             WHEN p_outcome = 'delivered' THEN o.last_error END,
           -- Half of a pause is chance, so that what failed together does not come back together.
           next_attempt_at = CASE p_outcome
               WHEN 'failed' THEN v_now + make_interval(secs =>
                   least(c_max_pause_s, 2.0 ^ least(o.attempts, 16)) * (0.5 + random() / 2))
               WHEN 'returned' THEN v_now + make_interval(secs => c_return_s * (0.5 + random() / 2))
               ELSE o.next_attempt_at END
     WHERE o.id = ANY (v_open);
    RETURN cardinality(v_open);
END
$function$;
REVOKE ALL ON FUNCTION public.outbox_settle_v1(bigint[], text, text, integer) FROM PUBLIC;
