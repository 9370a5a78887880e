-- stock_supply_v1: change the supply of a product in one warehouse by p_delta, or to p_available; what restock and adjust share.
-- Locks:   all counters of the product, in ascending id.
-- Raises:  HR001 the key is out of its range.
-- Returns: see restock and adjust_stock. A shortfall (fewer free units than should go) changes nothing and is an event.
-- Used by: restock and adjust_stock; granted to nobody.
CREATE FUNCTION public.stock_supply_v1(
    p_key text, p_product_id bigint, p_warehouse_code text, p_delta bigint, p_available bigint, p_version bigint,
    p_kind text, OUT outcome text, OUT available bigint, OUT version bigint
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_stock_id bigint;
    v_warehouse_id bigint;
    v_delta bigint;
    v_is_spread boolean;
BEGIN
    IF p_key IS NULL OR length(p_key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'the key must have 1 to 255 characters' USING ERRCODE = 'HR001';
    END IF;
    SELECT w.id INTO v_warehouse_id FROM warehouse AS w WHERE w.code = p_warehouse_code;
    IF v_warehouse_id IS NULL OR NOT EXISTS (SELECT FROM product AS p WHERE p.id = p_product_id) THEN
        outcome := 'unknown_product';
        RETURN;
    END IF;
    INSERT INTO product_stock AS s (product_id, warehouse_id, available, held, sold, version, updated_at)
    VALUES (p_product_id, v_warehouse_id, 0, 0, 0, 0, clock_timestamp())
        ON CONFLICT (product_id, warehouse_id, bucket) DO NOTHING;
    PERFORM 1 FROM product_stock AS s WHERE s.product_id = p_product_id ORDER BY s.id FOR NO KEY UPDATE;
    SELECT min(s.id) FILTER (WHERE s.bucket = 0), sum(stock_free_units_v1(s)),
           sum(s.version + s.pooled - CASE WHEN s.pooled = 0 THEN 0 ELSE stock_pooled_units_v1(s.id) END),
           count(*) > 1 OR bool_or(s.pooled > 0)
      INTO v_stock_id, available, version, v_is_spread
      FROM product_stock AS s WHERE s.product_id = p_product_id AND s.warehouse_id = v_warehouse_id;
    IF EXISTS (SELECT FROM stock_transaction AS t WHERE t.feed_key = p_key) THEN
        outcome := 'replayed';
        RETURN;
    ELSIF p_version <> version THEN
        outcome := 'version_conflict';
        RETURN;
    END IF;
    v_delta := coalesce(p_delta, p_available - available);
    IF v_is_spread AND v_delta < 0 THEN
        -- Rows that somebody is taking at this moment are waited for, and then they are gone.
        PERFORM stock_gather_v1(p_product_id);
        SELECT s.available INTO available FROM product_stock AS s WHERE s.id = v_stock_id;
    END IF;
    IF available + v_delta < 0 THEN
        INSERT INTO stock_outbox (event, product_id, payload)
        VALUES ('shortfall', p_product_id, jsonb_build_object('key', p_key, 'missing', -(available + v_delta)));
        outcome := 'below_committed';
    ELSE
        PERFORM stock_change_v1(v_stock_id, p_kind, NULL, v_delta, 0, 0, NULL, p_key);
        PERFORM stock_offer_v1(ARRAY[p_product_id]);
        outcome := 'applied';
    END IF;
    IF v_is_spread THEN
        PERFORM stock_spread_v1(p_product_id);
    END IF;
    IF outcome = 'applied' THEN
        SELECT sum(stock_free_units_v1(s)),
               sum(s.version + s.pooled - CASE WHEN s.pooled = 0 THEN 0 ELSE stock_pooled_units_v1(s.id) END)
          INTO available, version
          FROM product_stock AS s WHERE s.product_id = p_product_id AND s.warehouse_id = v_warehouse_id;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_supply_v1(text, bigint, text, bigint, bigint, bigint, text) FROM PUBLIC;
