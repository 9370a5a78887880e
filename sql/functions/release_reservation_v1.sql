-- release_reservation_v1: give the units of an order, or of some of its lines, back.
-- Locks:   those reservations, then all counters of their products in ascending id.
-- Returns: outcome released, already_released, confirmed, expired or not_found.
-- Used by: service/stock. Any psql session may call it.
CREATE FUNCTION public.release_reservation_v1(
    p_user_id bigint, p_order_id uuid, p_lines smallint[] DEFAULT NULL, OUT outcome text
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_open bigint[];
BEGIN
    outcome := stock_order_state_v1(p_user_id, p_order_id, p_lines);
    IF outcome = 'released' THEN
        outcome := 'already_released';
    ELSIF outcome IN ('held', 'paying') THEN
        SELECT array_agg(r.id) INTO v_open FROM stock_reservation AS r
         WHERE r.order_id = p_order_id AND r.status IN ('held', 'paying')
           AND (p_lines IS NULL OR r.line = ANY (p_lines));
        PERFORM stock_offer_v1(stock_free_v1(v_open, 'released', 'release'));
        INSERT INTO stock_outbox (event, order_id, payload)
        VALUES ('released', p_order_id, jsonb_build_object('user_id', p_user_id));
        outcome := 'released';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.release_reservation_v1(bigint, uuid, smallint[]) FROM PUBLIC;
