-- stock_unpool_v1: turn rows of stock_unit back into counted units, as many as these quantities need.
-- Locks:   those rows, waiting for who is taking them. The caller holds the products' counters.
-- Used by: the functions that take units from counters; granted to nobody.
CREATE FUNCTION public.stock_unpool_v1(p_product_ids bigint[], p_quantities bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_stock record;
    v_missing bigint;
    v_moved bigint;
BEGIN
    FOR v_stock IN
        SELECT s.id, s.product_id, cart.quantity
          FROM unnest(p_product_ids, p_quantities) AS cart (product_id, quantity)
          JOIN product_stock AS s ON s.product_id = cart.product_id
         WHERE s.pooled > 0
         ORDER BY s.id
    LOOP
        SELECT v_stock.quantity - sum(s.available) INTO v_missing FROM product_stock AS s
         WHERE s.product_id = v_stock.product_id;
        v_moved := 0;
        -- A row that was waited for is gone; there may be others behind it.
        WHILE v_moved < v_missing AND EXISTS (SELECT FROM stock_unit AS u WHERE u.product_stock_id = v_stock.id) LOOP
            WITH moved AS (
                DELETE FROM stock_unit AS u
                 WHERE u.id IN (SELECT free.id FROM stock_unit AS free WHERE free.product_stock_id = v_stock.id
                                 ORDER BY free.id LIMIT v_missing - v_moved FOR UPDATE)
                RETURNING u.id)
            SELECT v_moved + count(*) INTO v_moved FROM moved;
        END LOOP;
        IF v_moved > 0 THEN
            PERFORM stock_change_v1(v_stock.id, 'pool', NULL, v_moved, 0, 0);
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_unpool_v1(bigint[], bigint[]) FROM PUBLIC;
