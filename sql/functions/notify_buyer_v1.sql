-- notify_buyer_v1: write the notification that an event is worth, once.
-- Locks:   none beyond the row that it writes; a second call with the same event waits for the first.
-- Returns: notified, already_notified, or unknown_event.
-- Used by: service/stock/notifications.py, the example of a consumer. Any psql session may call it.
CREATE FUNCTION public.notify_buyer_v1(p_event_id bigint)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
BEGIN
    -- The event's id is the key: however often it is delivered, there is one row.
    INSERT INTO stock_notification (event_id, event, user_id, order_id, product_id)
    SELECT o.id, o.event, (o.payload ->> 'user_id')::bigint, o.order_id, o.product_id
      FROM stock_outbox AS o WHERE o.id = p_event_id
        ON CONFLICT (event_id) DO NOTHING;
    IF FOUND THEN
        RETURN 'notified';
    END IF;
    RETURN CASE WHEN EXISTS (SELECT FROM stock_notification AS n WHERE n.event_id = p_event_id)
                THEN 'already_notified' ELSE 'unknown_event' END;
END
$function$;
REVOKE ALL ON FUNCTION public.notify_buyer_v1(bigint) FROM PUBLIC;
