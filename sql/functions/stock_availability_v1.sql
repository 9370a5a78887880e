-- stock_availability_v1: free units of many products in one statement; for showing, never for admission.
-- Locks:   none.
-- Returns: for each known product its free units over all warehouses (each clamped at 0) and a version that grows with
--          every change of any of its counters or rows of stock_unit.
-- Used by: service/stock/availability.py. Any psql session may call it.
CREATE FUNCTION public.stock_availability_v1(p_product_ids bigint[])
RETURNS TABLE (product_id bigint, available bigint, version bigint)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
    SELECT s.product_id, sum(stock_free_units_v1(s))::bigint,
           -- Each row that is taken out of the pool counts as a change.
           sum(s.version + s.pooled - CASE WHEN s.pooled = 0 THEN 0 ELSE stock_pooled_units_v1(s.id) END)::bigint
      FROM product_stock AS s
     WHERE s.product_id = ANY (p_product_ids)
     GROUP BY s.product_id
$function$;
REVOKE ALL ON FUNCTION public.stock_availability_v1(bigint[]) FROM PUBLIC;
