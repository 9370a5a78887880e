-- stock_plan_v1: from which counters the units of a cart come: one warehouse that has enough, by priority, else several.
-- Locks:   none. A caller that acts on the plan holds the rows; one that only wants to refuse does not.
-- Returns: product_id, stock_id, quantity; fewer units than asked where the free ones do not suffice.
-- Used by: stock_take and stock_offer; granted to nobody.
CREATE FUNCTION public.stock_plan_v1(p_product_ids bigint[], p_quantities bigint[])
RETURNS TABLE (product_id bigint, stock_id bigint, quantity bigint)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, public, pg_temp
AS $function$
    SELECT candidate.product_id, candidate.stock_id, least(candidate.available, candidate.wanted - candidate.before)
      FROM (SELECT s.product_id, s.id AS stock_id, s.available, cart.quantity AS wanted,
                   coalesce(sum(s.available) OVER (
                       PARTITION BY s.product_id
                       ORDER BY s.available >= cart.quantity DESC, w.priority, s.id
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS before
              FROM unnest(p_product_ids, p_quantities) AS cart (product_id, quantity)
              JOIN product_stock AS s ON s.product_id = cart.product_id
              JOIN warehouse AS w ON w.id = s.warehouse_id
             WHERE s.available > 0) AS candidate
     WHERE candidate.before < candidate.wanted
$function$;
REVOKE ALL ON FUNCTION public.stock_plan_v1(bigint[], bigint[]) FROM PUBLIC;
