-- stock_pooled_units_v1: count the free units of one counter that are rows of stock_unit.
-- Locks:   none.
-- Returns: units.
-- Used by: stock_free_units and stock_availability; granted to nobody.
CREATE FUNCTION public.stock_pooled_units_v1(p_stock_id bigint)
RETURNS bigint
LANGUAGE sql
STABLE
SET search_path = pg_catalog, public, pg_temp
AS $function$
    SELECT count(*) FROM stock_unit AS u WHERE u.product_stock_id = p_stock_id
$function$;
REVOKE ALL ON FUNCTION public.stock_pooled_units_v1(bigint) FROM PUBLIC;
