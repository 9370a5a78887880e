-- stock_free_v1: end open reservations without a sale and give their units back.
-- Locks:   all product_stock rows of the reservations' products, in ascending id, then the buyers' totals. The caller has locked
--          the reservations.
-- Returns: the products that got units back.
-- Used by: the functions that release and expire; granted to nobody.
CREATE FUNCTION public.stock_free_v1(p_reservation_ids bigint[], p_status text, p_kind text)
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_stock record;
    v_products bigint[] := '{}';
BEGIN
    PERFORM 1 FROM product_stock AS s
      WHERE s.product_id IN (SELECT o.product_id FROM stock_reservation AS r
                               JOIN product_stock AS o ON o.id = r.product_stock_id
                              WHERE r.id = ANY (p_reservation_ids))
      ORDER BY s.id FOR NO KEY UPDATE;
    UPDATE stock_user_total AS t
       -- Units that were held before the product had a limit were never counted.
       SET units = greatest(t.units - freed.units, 0)
      FROM (SELECT s.product_id, r.user_id, sum(r.quantity) AS units
              FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id
             WHERE r.id = ANY (p_reservation_ids)
             GROUP BY s.product_id, r.user_id) AS freed
     WHERE t.product_id = freed.product_id AND t.user_id = freed.user_id;
    UPDATE stock_reservation AS r
       SET status = p_status, updated_at = clock_timestamp()
     WHERE r.id = ANY (p_reservation_ids);
    IF p_kind = 'expire' THEN
        INSERT INTO stock_outbox (event, order_id, payload)
        SELECT 'expired', r.order_id, jsonb_build_object('user_id', min(r.user_id))
          FROM stock_reservation AS r WHERE r.id = ANY (p_reservation_ids) GROUP BY r.order_id;
    END IF;
    FOR v_stock IN
        SELECT s.id, s.product_id, sum(r.quantity)::bigint AS units,
               -- Units that came from stock_unit are held in no counter; they come back to it all the same.
               coalesce(sum(r.quantity) FILTER (WHERE NOT r.is_pooled), 0)::bigint AS held,
               CASE WHEN count(*) = 1 THEN min(r.id) END AS reservation_id
          FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id
         WHERE r.id = ANY (p_reservation_ids)
         GROUP BY s.id, s.product_id
         ORDER BY s.id
    LOOP
        PERFORM stock_change_v1(v_stock.id, p_kind, v_stock.reservation_id, v_stock.units, -v_stock.held, 0);
        v_products := v_products || v_stock.product_id;
    END LOOP;
    RETURN v_products;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_free_v1(bigint[], text, text) FROM PUBLIC;
