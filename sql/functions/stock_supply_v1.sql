-- stock_supply_v1: change the supply of one counter by p_delta, or to p_available; what restock and adjust share.
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
        ON CONFLICT (product_id, warehouse_id) DO NOTHING;
    PERFORM 1 FROM product_stock AS s WHERE s.product_id = p_product_id ORDER BY s.id FOR NO KEY UPDATE;
    SELECT s.id, s.available, s.version INTO v_stock_id, available, version
      FROM product_stock AS s WHERE s.product_id = p_product_id AND s.warehouse_id = v_warehouse_id;
    IF EXISTS (SELECT FROM stock_transaction AS t WHERE t.feed_key = p_key) THEN
        outcome := 'replayed';
        RETURN;
    ELSIF p_version <> version THEN
        outcome := 'version_conflict';
        RETURN;
    END IF;
    v_delta := coalesce(p_delta, p_available - available);
    IF available + v_delta < 0 THEN
        INSERT INTO stock_outbox (event, product_id, payload)
        VALUES ('shortfall', p_product_id, jsonb_build_object('key', p_key, 'missing', -(available + v_delta)));
        outcome := 'below_committed';
        RETURN;
    END IF;
    PERFORM stock_change_v1(v_stock_id, p_kind, NULL, v_delta, 0, 0, NULL, p_key);
    PERFORM stock_offer_v1(ARRAY[p_product_id]);
    SELECT s.available, s.version INTO available, version FROM product_stock AS s WHERE s.id = v_stock_id;
    outcome := 'applied';
END
$function$;
REVOKE ALL ON FUNCTION public.stock_supply_v1(text, bigint, text, bigint, bigint, bigint, text) FROM PUBLIC;
