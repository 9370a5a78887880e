-- stock_free_units_v1: the free units of one counter, with those that are rows of stock_unit.
-- Locks:   none.
-- Returns: units. It sets no search_path, so that the planner can inline it: every name is qualified.
-- Used by: the functions that judge or show free units; granted to nobody.
CREATE FUNCTION public.stock_free_units_v1(p_stock public.product_stock)
RETURNS bigint
LANGUAGE sql
STABLE
AS $function$
    SELECT CASE WHEN p_stock.available > 0 THEN p_stock.available ELSE 0 END
           + CASE WHEN p_stock.pooled = 0 THEN 0 ELSE public.stock_pooled_units_v1(p_stock.id) END
$function$;
REVOKE ALL ON FUNCTION public.stock_free_units_v1(public.product_stock) FROM PUBLIC;
