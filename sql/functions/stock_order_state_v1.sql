-- stock_order_state_v1: lock an order of a buyer, or some of its lines, and say in which state it is.
-- Locks:   those reservations, in ascending id.
-- Returns: held, paying, confirmed, released, expired (also when due and not yet swept), or not_found (also for another
--          buyer's order). Of several lines the state of the first that is still open, else confirmed where one is,
--          else the state of the first.
-- Used by: the functions that change an order; granted to nobody.
CREATE FUNCTION public.stock_order_state_v1(p_user_id bigint, p_order_id uuid, p_lines smallint[])
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_state text;
    v_found integer;
BEGIN
    PERFORM 1 FROM stock_reservation AS r
      WHERE r.order_id = p_order_id AND r.user_id = p_user_id AND (p_lines IS NULL OR r.line = ANY (p_lines))
      ORDER BY r.id FOR UPDATE;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found = 0 OR v_found < cardinality(p_lines) THEN
        RETURN 'not_found';
    END IF;
    SELECT CASE WHEN r.status IN ('held', 'paying') AND r.expires_at <= clock_timestamp() THEN 'expired'
                ELSE r.status END
      INTO v_state
      FROM stock_reservation AS r
     WHERE r.order_id = p_order_id AND r.user_id = p_user_id AND (p_lines IS NULL OR r.line = ANY (p_lines))
     ORDER BY r.status IN ('held', 'paying') DESC, r.status = 'confirmed' DESC, r.line
     LIMIT 1;
    RETURN v_state;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_order_state_v1(bigint, uuid, smallint[]) FROM PUBLIC;
