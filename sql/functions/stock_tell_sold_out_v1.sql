-- stock_tell_sold_out_v1: write the event sold_out for those of the products that have no free unit left.
-- Locks:   none. Of a product with several counters two last units may go at the same moment, and neither call sees that
--          the other was the last: the event is sure for products with one counter.
-- Used by: the functions that take units, in the same transaction; granted to nobody.
CREATE FUNCTION public.stock_tell_sold_out_v1(p_product_ids bigint[])
RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
    INSERT INTO stock_outbox (event, product_id, payload)
    SELECT 'sold_out', s.product_id, '{}'
      FROM product_stock AS s
     WHERE s.product_id = ANY (p_product_ids)
     GROUP BY s.product_id
    HAVING sum(stock_free_units_v1(s)) = 0
$function$;
REVOKE ALL ON FUNCTION public.stock_tell_sold_out_v1(bigint[]) FROM PUBLIC;
