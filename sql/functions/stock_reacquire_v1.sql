-- stock_reacquire_v1: take the units of an order's swept lines again, all of them or none.
-- Locks:   rows of stock_unit that are needed, buyers' totals. The caller holds the reservations and all counters.
-- Returns: whether every line is held now; false where units are gone, others wait for them, or the buyer's limit is met.
-- Used by: confirm_reservation with the late policy reacquire; granted to nobody.
CREATE FUNCTION public.stock_reacquire_v1(p_order_id uuid, p_lines smallint[])
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_line record;
    v_stock record;
    v_other record;
    v_missing bigint;
BEGIN
    -- A due hold that no sweeper has met still has its units; only swept lines are looked at.
    IF EXISTS (SELECT FROM stock_reservation AS r
                 JOIN product_stock AS s ON s.id = r.product_stock_id
                 JOIN product AS p ON p.id = s.product_id
                WHERE r.order_id = p_order_id AND r.status = 'expired' AND (p_lines IS NULL OR r.line = ANY (p_lines))
                GROUP BY p.id, p.max_per_user, r.user_id
               HAVING EXISTS (SELECT FROM stock_waitlist AS w WHERE w.product_id = p.id)
                   OR sum(r.quantity) + coalesce((SELECT t.units FROM stock_user_total AS t
                                                   WHERE t.product_id = p.id AND t.user_id = r.user_id), 0)
                      > p.max_per_user) THEN
        RETURN false;
    END IF;
    -- Whether each warehouse has them, before anything is taken.
    FOR v_stock IN
        SELECT s.product_id, s.warehouse_id, sum(r.quantity)::bigint AS units
          FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id
         WHERE r.order_id = p_order_id AND r.status = 'expired' AND (p_lines IS NULL OR r.line = ANY (p_lines))
         GROUP BY s.product_id, s.warehouse_id
    LOOP
        -- Rows of whichever warehouse are turned back first: as many as all of them need.
        PERFORM stock_unpool_v1(ARRAY[v_stock.product_id], ARRAY[
            v_stock.units + (SELECT coalesce(sum(stock_free_units_v1(s)), 0)::bigint FROM product_stock AS s
                              WHERE s.product_id = v_stock.product_id AND s.warehouse_id <> v_stock.warehouse_id)]);
        IF (SELECT sum(s.available) FROM product_stock AS s
             WHERE s.product_id = v_stock.product_id AND s.warehouse_id = v_stock.warehouse_id) < v_stock.units THEN
            RETURN false;
        END IF;
    END LOOP;
    FOR v_stock IN
        SELECT s.id, s.product_id, s.warehouse_id, sum(r.quantity)::bigint AS units
          FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id
         WHERE r.order_id = p_order_id AND r.status = 'expired' AND (p_lines IS NULL OR r.line = ANY (p_lines))
         GROUP BY s.id, s.product_id, s.warehouse_id ORDER BY s.id
    LOOP
        -- What the line's own bucket lacks, the others of its warehouse may have.
        FOR v_other IN
            SELECT s.id, s.available FROM product_stock AS s
             WHERE s.product_id = v_stock.product_id AND s.warehouse_id = v_stock.warehouse_id
               AND s.id <> v_stock.id AND s.available > 0 ORDER BY s.id
        LOOP
            SELECT v_stock.units - s.available INTO v_missing FROM product_stock AS s WHERE s.id = v_stock.id;
            EXIT WHEN v_missing <= 0;
            PERFORM stock_change_v1(v_other.id, 'move', NULL, -least(v_missing, v_other.available), 0, 0);
            PERFORM stock_change_v1(v_stock.id, 'move', NULL, least(v_missing, v_other.available), 0, 0);
        END LOOP;
        -- At once, so that the next bucket cannot fetch them.
        FOR v_line IN
            SELECT r.id, r.quantity, r.user_id FROM stock_reservation AS r
             WHERE r.order_id = p_order_id AND r.product_stock_id = v_stock.id AND r.status = 'expired'
               AND (p_lines IS NULL OR r.line = ANY (p_lines))
             ORDER BY r.id
        LOOP
            PERFORM stock_change_v1(v_stock.id, 'reserve', v_line.id, -v_line.quantity, v_line.quantity, 0);
            UPDATE stock_user_total AS t SET units = t.units + v_line.quantity
             WHERE t.product_id = v_stock.product_id AND t.user_id = v_line.user_id;
            UPDATE stock_reservation AS r SET status = 'held', is_pooled = false WHERE r.id = v_line.id;
        END LOOP;
    END LOOP;
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_reacquire_v1(uuid, smallint[]) FROM PUBLIC;
