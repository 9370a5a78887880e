-- check_stock_v1: compare every counter with its ledger and its reservations.
-- Locks:   none; one snapshot.
-- Returns: one row for each counter that drifted: what it says, and what ledger and reservations say.
-- Used by: `hotrow verify`. Any psql session may call it.
CREATE FUNCTION public.check_stock_v1()
RETURNS TABLE (
    stock_id bigint, available bigint, held bigint, sold bigint, ledger_available bigint, ledger_held bigint,
    ledger_sold bigint, open_units bigint, version bigint, changes bigint
)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
    SELECT s.id, s.available, s.held, s.sold, coalesce(l.available, 0), coalesce(l.held, 0), coalesce(l.sold, 0),
           coalesce(r.units, 0), s.version, coalesce(l.changes, 0)
      FROM product_stock AS s
      LEFT JOIN (SELECT t.product_stock_id, sum(t.delta_available)::bigint AS available,
                        sum(t.delta_held)::bigint AS held, sum(t.delta_sold)::bigint AS sold, count(*) AS changes
                   FROM stock_transaction AS t WHERE t.version IS NOT NULL GROUP BY t.product_stock_id) AS l ON l.product_stock_id = s.id
      LEFT JOIN (SELECT o.product_stock_id, sum(o.quantity)::bigint AS units FROM stock_reservation AS o
                  WHERE o.status IN ('held', 'paying') AND NOT o.is_pooled GROUP BY o.product_stock_id) AS r ON r.product_stock_id = s.id
     WHERE (s.available, s.held, s.sold) <> (coalesce(l.available, 0), coalesce(l.held, 0), coalesce(l.sold, 0))
        OR s.held <> coalesce(r.units, 0) OR s.version <> coalesce(l.changes, 0)
$function$;
REVOKE ALL ON FUNCTION public.check_stock_v1() FROM PUBLIC;
