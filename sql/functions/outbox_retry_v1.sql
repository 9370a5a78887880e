-- outbox_retry_v1: send dead letters again, as if they were new.
-- Locks:   those rows of stock_outbox, in ascending id.
-- Returns: how many; p_event_ids NULL means all. An event that is no dead letter stays as it is.
-- Used by: the command `outbox --retry`. Any psql session may call it.
CREATE FUNCTION public.outbox_retry_v1(p_event_ids bigint[] DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_count integer;
BEGIN
    PERFORM 1 FROM stock_outbox AS o
      WHERE o.dead_at IS NOT NULL AND (p_event_ids IS NULL OR o.id = ANY (p_event_ids))
      ORDER BY o.id FOR UPDATE;
    UPDATE stock_outbox AS o
       SET dead_at = NULL, attempts = 0, next_attempt_at = clock_timestamp()
     WHERE o.dead_at IS NOT NULL AND (p_event_ids IS NULL OR o.id = ANY (p_event_ids));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$function$;
REVOKE ALL ON FUNCTION public.outbox_retry_v1(bigint[]) FROM PUBLIC;
