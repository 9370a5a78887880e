-- stock_gather_v1: bring all free units of a product back to bucket 0 of their warehouse.
-- Locks:   the product's rows of stock_unit, waiting for who is taking them. The caller holds its counters.
-- Used by: set_stock_mode and stock_supply; granted to nobody.
CREATE FUNCTION public.stock_gather_v1(p_product_id bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_stock record;
BEGIN
    PERFORM stock_unpool_v1(ARRAY[p_product_id], ARRAY[9223372036854775807]);
    FOR v_stock IN
        SELECT s.id, s.available, main.id AS main_id
          FROM product_stock AS s
          JOIN product_stock AS main ON main.product_id = s.product_id AND main.warehouse_id = s.warehouse_id
         WHERE s.product_id = p_product_id AND s.bucket > 0 AND main.bucket = 0 AND s.available > 0
         ORDER BY s.id
    LOOP
        PERFORM stock_change_v1(v_stock.id, 'move', NULL, -v_stock.available, 0, 0);
        PERFORM stock_change_v1(v_stock.main_id, 'move', NULL, v_stock.available, 0, 0);
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_gather_v1(bigint) FROM PUBLIC;
