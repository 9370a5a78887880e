-- outbox_purge_v1: remove events that were delivered long ago, oldest first.
-- Locks:   those rows of stock_outbox, passing over what is locked.
-- Raises:  HR001 an argument is out of its range.
-- Returns: how many; fewer than p_limit when no more are old enough. What is on its way or dead is kept.
-- Used by: service/stock/outbox.py. Any psql session may call it.
CREATE FUNCTION public.outbox_purge_v1(p_keep_s integer, p_limit integer DEFAULT 1000)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_count integer;
    v_before CONSTANT timestamptz := clock_timestamp() - make_interval(secs => p_keep_s);
BEGIN
    -- A consumer that is late by an hour, the longest lease, must still find its event.
    IF p_keep_s IS NULL OR p_keep_s < 3600 THEN
        RAISE EXCEPTION 'events are kept % s; 3600 or more are allowed', p_keep_s USING ERRCODE = 'HR001';
    ELSIF p_limit IS NULL OR p_limit NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'the limit is %; 1 to 10000 are allowed', p_limit USING ERRCODE = 'HR001';
    END IF;
    DELETE FROM stock_outbox AS o
     WHERE o.id IN (SELECT d.id FROM stock_outbox AS d
                     WHERE d.delivered_at < v_before ORDER BY d.id LIMIT p_limit FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$function$;
REVOKE ALL ON FUNCTION public.outbox_purge_v1(integer, integer) FROM PUBLIC;
