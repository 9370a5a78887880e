-- stock_take_v1: take the units of a claimed cart under the locks of all its counters, or say why it cannot be had.
-- Locks:   in mode replace the buyer's own holds; all counters of the products in ascending id; rows of stock_unit that are
--          needed; the buyer's totals of products that have a limit.
-- Returns: outcome as stock_refusal says it, with available; NULL when the units were taken, with granted_at, when the
--          locks were granted. The claim becomes line 1, and each further counter a line.
-- Used by: reserve_stock, which holds the claim (a reservation row) already; granted to nobody.
CREATE FUNCTION public.stock_take_v1(
    p_reservation_id bigint, p_user_id bigint, p_product_ids bigint[], p_products bigint[], p_quantities bigint[],
    p_mode text, OUT outcome text, OUT available bigint[], OUT granted_at timestamptz
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    -- A call pays for the due holds that it needs, and not for a sweeper that has stopped.
    c_max_reclaimed CONSTANT integer := 100;
    v_replaced bigint[];
    v_line record;
    v_position integer := 0;
    v_transaction_id bigint;
    v_reservation_id bigint := p_reservation_id;
BEGIN
    IF p_mode = 'replace' THEN
        -- One that is being paid or released at this moment is waited for, before any counter is locked.
        PERFORM 1 FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id
          WHERE r.user_id = p_user_id AND r.status = 'held' AND s.product_id = ANY (p_products)
            AND r.id <> p_reservation_id
          ORDER BY r.id FOR UPDATE OF r;
    END IF;
    PERFORM 1 FROM product_stock AS s WHERE s.product_id = ANY (p_products) ORDER BY s.id FOR NO KEY UPDATE;
    granted_at := clock_timestamp();
    IF p_mode = 'replace' THEN
        -- Looked for again: the buyer's other call, which had the counters until now, may have made a new one.
        SELECT array_agg(own.id) INTO v_replaced
          FROM (SELECT r.id FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id
                 WHERE r.user_id = p_user_id AND r.status = 'held' AND s.product_id = ANY (p_products)
                   AND r.id <> p_reservation_id
                   FOR UPDATE OF r SKIP LOCKED) AS own;
        IF v_replaced IS NOT NULL THEN
            PERFORM stock_free_v1(v_replaced, 'released', 'release');
        END IF;
    END IF;
    PERFORM stock_lapse_v1(ARRAY[p_user_id], p_products)
      WHERE EXISTS (SELECT FROM product AS p WHERE p.id = ANY (p_products) AND p.max_per_user IS NOT NULL);
    PERFORM stock_reclaim_v1(p_products, c_max_reclaimed)
      WHERE EXISTS (SELECT FROM unnest(p_products, p_quantities) AS cart (product_id, quantity)
                     WHERE cart.quantity > (SELECT coalesce(sum(stock_free_units_v1(s)), 0) FROM product_stock AS s
                                             WHERE s.product_id = cart.product_id));
    PERFORM stock_offer_v1(p_products);
    -- Before the last look: rows can be taken by others as long as they are rows.
    PERFORM stock_unpool_v1(p_products, p_quantities);
    SELECT refusal.outcome, refusal.available INTO outcome, available
      FROM stock_refusal_v1(p_user_id, p_product_ids, p_products, p_quantities, 'locked') AS refusal;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    FOR v_line IN
        SELECT plan.stock_id, plan.quantity FROM stock_plan_v1(p_products, p_quantities) AS plan
         ORDER BY plan.product_id, plan.stock_id
    LOOP
        v_position := v_position + 1;
        IF v_position = 1 THEN
            UPDATE stock_reservation AS r
               SET product_stock_id = v_line.stock_id, quantity = v_line.quantity, is_pooled = false
             WHERE r.id = p_reservation_id
            RETURNING r.transaction_id INTO v_transaction_id;
        ELSE
            v_transaction_id := nextval('public.stock_transaction_id_seq');
            INSERT INTO stock_reservation AS r
                (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
                 transaction_id, expires_at, created_at, updated_at)
            SELECT claim.order_id, v_position, claim.user_id, v_line.stock_id, v_line.quantity, 'held',
                   claim.idempotency_key, claim.request_hash, v_transaction_id, claim.expires_at, claim.created_at,
                   claim.updated_at
              FROM stock_reservation AS claim WHERE claim.id = p_reservation_id
            RETURNING r.id INTO v_reservation_id;
        END IF;
        PERFORM stock_change_v1(v_line.stock_id, 'reserve', v_reservation_id, -v_line.quantity, v_line.quantity, 0,
                                v_transaction_id);
    END LOOP;
    PERFORM stock_tell_sold_out_v1(p_products);
    INSERT INTO stock_user_total AS t (product_id, user_id, units)
    SELECT p.id, p_user_id, cart.quantity
      FROM unnest(p_products, p_quantities) AS cart (product_id, quantity)
      JOIN product AS p ON p.id = cart.product_id
     WHERE p.max_per_user IS NOT NULL
        ON CONFLICT (product_id, user_id) DO UPDATE SET units = t.units + excluded.units;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_take_v1(bigint, bigint, bigint[], bigint[], bigint[], text) FROM PUBLIC;
