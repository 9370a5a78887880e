-- stock_refusal_v1: whether a cart must be refused, and why; the most permanent reason first.
-- Locks:   none. In mode locked the caller holds the counters, and due holds have been reclaimed already.
-- Returns: one row: outcome unknown_product, inactive_product, user_limit or insufficient, NULL where the cart can be
--          had; available: free units for each of p_product_ids, where insufficient. Units that others wait for are
--          not free. In mode new the units of due holds count, in mode replace the buyer's own holds too.
--          A clock in a subquery is read once, so that the index on deadlines can be used.
-- Used by: reserve_stock and stock_take; granted to nobody.
CREATE FUNCTION public.stock_refusal_v1(
    p_user_id bigint, p_product_ids bigint[], p_products bigint[], p_quantities bigint[], p_mode text,
    OUT outcome text, OUT available bigint[]
)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, public, pg_temp
AS $function$
    WITH judged AS MATERIALIZED (
        SELECT cart.product_id, p.id IS NOT NULL AND stock.free IS NOT NULL AS is_known,
               coalesce(p.is_active, false) AS is_active,
               p.max_per_user < cart.quantity
                   + coalesce((SELECT t.units FROM stock_user_total AS t
                                WHERE t.product_id = p.id AND t.user_id = p_user_id), 0)
                   - CASE WHEN p_mode = 'locked' OR p.max_per_user IS NULL THEN 0 ELSE (
                       SELECT coalesce(sum(r.quantity), 0) FROM stock_reservation AS r
                         JOIN product_stock AS s ON s.id = r.product_stock_id
                        WHERE r.user_id = p_user_id AND s.product_id = p.id AND r.status IN ('held', 'paying')
                          AND (r.expires_at <= (SELECT clock_timestamp()) OR p_mode = 'replace' AND r.status = 'held'))
                     END AS is_over_limit,
               CASE WHEN waiting.first_id IS NULL THEN coalesce(stock.free, 0) ELSE 0 END AS free,
               waiting.first_id IS NULL AND (
                   coalesce(stock.free, 0) >= cart.quantity
                   OR p_mode <> 'locked' AND coalesce(stock.free, 0) + (
                       SELECT coalesce(sum(due.quantity), 0)
                         FROM (SELECT r.product_stock_id, r.quantity FROM stock_reservation AS r
                                WHERE r.status IN ('held', 'paying') AND r.expires_at <= (SELECT clock_timestamp())
                                -- Ordered and bounded, else the planner reads the whole table for the few that are due.
                                ORDER BY r.expires_at LIMIT 10000) AS due
                         JOIN product_stock AS s ON s.id = due.product_stock_id
                        WHERE s.product_id = cart.product_id)
                      + CASE WHEN p_mode = 'replace' THEN (
                       SELECT coalesce(sum(r.quantity), 0) FROM stock_reservation AS r
                         JOIN product_stock AS s ON s.id = r.product_stock_id
                        WHERE r.user_id = p_user_id AND s.product_id = cart.product_id
                          AND r.status = 'held' AND r.expires_at > (SELECT clock_timestamp())) ELSE 0 END
                      >= cart.quantity) AS is_enough
          FROM unnest(p_products, p_quantities) AS cart (product_id, quantity)
          LEFT JOIN product AS p ON p.id = cart.product_id
          LEFT JOIN LATERAL (SELECT sum(stock_free_units_v1(s))::bigint AS free FROM product_stock AS s
                              WHERE s.product_id = cart.product_id) AS stock ON true
          LEFT JOIN LATERAL (SELECT min(w.id) AS first_id FROM stock_waitlist AS w
                              WHERE w.product_id = cart.product_id) AS waiting ON true)
    SELECT CASE WHEN NOT bool_and(judged.is_known) THEN 'unknown_product'
                WHEN NOT bool_and(judged.is_active) THEN 'inactive_product'
                WHEN coalesce(bool_or(judged.is_over_limit), false) THEN 'user_limit'
                WHEN NOT bool_and(judged.is_enough) THEN 'insufficient' END,
           CASE WHEN bool_and(judged.is_known AND judged.is_active) AND NOT coalesce(bool_or(judged.is_over_limit), false)
                     AND NOT bool_and(judged.is_enough)
                THEN array_agg(judged.free ORDER BY asked.position) END
      FROM unnest(p_product_ids) WITH ORDINALITY AS asked (product_id, position)
      JOIN judged ON judged.product_id = asked.product_id
$function$;
REVOKE ALL ON FUNCTION public.stock_refusal_v1(bigint, bigint[], bigint[], bigint[], text) FROM PUBLIC;
