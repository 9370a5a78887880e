-- stock_offer_v1: hold free units of these products for the buyers who wait for them, first come first served.
-- Locks:   the product_stock rows of each product that is waited for, in ascending id, then its waiters and their totals.
-- Returns: how many buyers were offered units. A buyer whose quantity is not free yet keeps those behind waiting; one
--          who has met the product's limit meanwhile loses the place.
-- Used by: every function that frees units, in the same transaction; granted to nobody.
CREATE FUNCTION public.stock_offer_v1(p_product_ids bigint[])
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    -- How long an offer is kept for a buyer who is perhaps not looking.
    c_offer_ttl CONSTANT interval := interval '15 minutes';
    -- A restock may serve many; the rest is served by the next change or the sweeper.
    c_max_offers CONSTANT integer := 1000;
    v_waiting bigint[];
    v_waiter record;
    v_line record;
    v_order uuid;
    v_now timestamptz;
    v_position integer;
    v_transaction bigint;
    v_reservation bigint;
    v_offers integer := 0;
BEGIN
    SELECT array_agg(DISTINCT w.product_id) INTO v_waiting FROM stock_waitlist AS w WHERE w.product_id = ANY (p_product_ids);
    IF v_waiting IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM 1 FROM product_stock AS s WHERE s.product_id = ANY (v_waiting) ORDER BY s.id FOR NO KEY UPDATE;
    FOR v_waiter IN
        SELECT w.id, w.product_id, w.user_id, w.quantity FROM stock_waitlist AS w
         WHERE w.product_id = ANY (v_waiting) ORDER BY w.product_id, w.id LIMIT c_max_offers FOR UPDATE
    LOOP
        CONTINUE WHEN NOT v_waiter.product_id = ANY (v_waiting);
        PERFORM stock_unpool_v1(ARRAY[v_waiter.product_id], ARRAY[v_waiter.quantity::bigint]);
        IF (SELECT coalesce(sum(s.available), 0) FROM product_stock AS s WHERE s.product_id = v_waiter.product_id)
           < v_waiter.quantity THEN
            v_waiting := array_remove(v_waiting, v_waiter.product_id);
            CONTINUE;
        END IF;
        IF EXISTS (SELECT FROM product AS p
                     JOIN stock_user_total AS t ON t.product_id = p.id AND t.user_id = v_waiter.user_id
                    WHERE p.id = v_waiter.product_id AND t.units + v_waiter.quantity > p.max_per_user) THEN
            DELETE FROM stock_waitlist AS w WHERE w.id = v_waiter.id;
            CONTINUE;
        END IF;
        v_order := gen_random_uuid();
        v_now := clock_timestamp();
        v_position := 0;
        FOR v_line IN
            SELECT plan.stock_id, plan.quantity
              FROM stock_plan_v1(ARRAY[v_waiter.product_id], ARRAY[v_waiter.quantity::bigint]) AS plan
             ORDER BY plan.stock_id
        LOOP
            v_position := v_position + 1;
            v_transaction := nextval('public.stock_transaction_id_seq');
            INSERT INTO stock_reservation
                (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
                 transaction_id, expires_at, created_at, updated_at)
            VALUES (v_order, v_position, v_waiter.user_id, v_line.stock_id, v_line.quantity, 'held',
                    'waitlist:' || v_order, 0, v_transaction, v_now + c_offer_ttl, v_now, v_now)
            RETURNING id INTO v_reservation;
            PERFORM stock_change_v1(v_line.stock_id, 'reserve', v_reservation, -v_line.quantity, v_line.quantity, 0,
                                    v_transaction);
        END LOOP;
        INSERT INTO stock_user_total AS t (product_id, user_id, units)
        SELECT p.id, v_waiter.user_id, v_waiter.quantity FROM product AS p
         WHERE p.id = v_waiter.product_id AND p.max_per_user IS NOT NULL
            ON CONFLICT (product_id, user_id) DO UPDATE SET units = t.units + excluded.units;
        DELETE FROM stock_waitlist AS w WHERE w.id = v_waiter.id;
        INSERT INTO stock_outbox (event, order_id, product_id, payload)
        VALUES ('back_in_stock', v_order, v_waiter.product_id,
                jsonb_build_object('user_id', v_waiter.user_id, 'quantity', v_waiter.quantity));
        v_offers := v_offers + 1;
    END LOOP;
    RETURN v_offers;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_offer_v1(bigint[]) FROM PUBLIC;
