-- reserve_stock_v1: hold units of one or more products until p_ttl_s seconds after the grant, all of them or none.
-- Locks:   one product_stock row for one product, or none but free rows of stock_unit where its units are rows; else all
--          counters of the cart's products, in ascending id, and then the buyer's totals of products that have a limit.
-- Raises:  HR001 an argument out of its range.
-- Returns: outcome reserved, replayed (same key, same cart: order_id and expires_at of the first call), key_conflict,
--          insufficient (available: free units, in the order of the product ids), user_limit, unknown_product,
--          inactive_product, or busy (a row stayed locked for lock_timeout; nothing was written, call again). Mode
--          replace first gives back the buyer's own holds of these products.
-- Used by: reserve_and_commit_v1, and whoever reserves within a transaction of their own. Any psql session may call it.
CREATE FUNCTION public.reserve_stock_v1(
    p_order_id uuid,
    p_user_id bigint,
    p_key text,
    p_product_ids bigint[],
    p_quantities integer[],
    p_ttl_s integer,
    p_mode text DEFAULT 'new',
    OUT outcome text,
    OUT order_id uuid,
    OUT expires_at timestamptz,
    OUT available bigint[]
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    -- A cart longer than this is a mistake or an attack: each line is a row lock.
    c_max_lines CONSTANT integer := 100;
    -- Added to a counter's id it names an advisory lock: callers of one counter queue there (docs/adr/0014).
    c_queue CONSTANT bigint := 5217461234567168000;
    v_products bigint[];
    v_quantities bigint[];
    v_hash bigint;
    v_ttl CONSTANT interval := make_interval(secs => p_ttl_s);
    -- Rows are dated before the lock is granted. A wait that is longer than this hundredth of the lifetime, or than a
    -- second, is made good by dating them again, under the lock.
    v_tolerated_wait CONSTANT interval := least(v_ttl / 100, interval '1 second');
    v_asked_at CONSTANT timestamptz := clock_timestamp();
    v_granted_at timestamptz;
    v_stock_id bigint;
    v_is_simple boolean;
    v_is_enough boolean;
    v_free bigint;
    v_is_pooled boolean;
    v_has_lost boolean := false;
    v_has_queued boolean;
    v_is_last boolean;
    v_units bigint[];
    v_first_unit bigint;
    v_last_unit bigint;
    v_start bigint;
    v_transaction_id bigint;
    v_reservation_id bigint;
    v_previous record;
BEGIN
    IF p_order_id IS NULL OR p_user_id IS NULL OR p_key IS NULL OR p_ttl_s IS NULL OR p_mode IS NULL
       OR p_product_ids IS NULL OR p_quantities IS NULL THEN
        RAISE EXCEPTION 'no argument may be NULL' USING ERRCODE = 'HR001';
    ELSIF length(p_key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'the key has % characters; 1 to 255 are allowed', length(p_key) USING ERRCODE = 'HR001';
    ELSIF p_ttl_s NOT BETWEEN 1 AND 86400 THEN
        RAISE EXCEPTION 'the ttl is % s; 1 to 86400 are allowed', p_ttl_s USING ERRCODE = 'HR001';
    ELSIF p_mode NOT IN ('new', 'replace') THEN
        RAISE EXCEPTION 'the mode is %; new and replace are allowed', p_mode USING ERRCODE = 'HR001';
    ELSIF cardinality(p_product_ids) NOT BETWEEN 1 AND c_max_lines
          OR cardinality(p_product_ids) <> cardinality(p_quantities) THEN
        RAISE EXCEPTION 'the cart has % products and % quantities; 1 to % of each are allowed',
            cardinality(p_product_ids), cardinality(p_quantities), c_max_lines USING ERRCODE = 'HR001';
    ELSIF array_position(p_product_ids, NULL) IS NOT NULL OR array_position(p_quantities, NULL) IS NOT NULL
          OR 1 > ANY (p_quantities) THEN
        RAISE EXCEPTION 'each quantity must be at least 1, and no line NULL' USING ERRCODE = 'HR001';
    END IF;

    IF cardinality(p_product_ids) = 1 THEN
        v_products := p_product_ids;
        v_quantities := p_quantities;
    ELSE
        SELECT array_agg(cart.product_id ORDER BY cart.product_id), array_agg(cart.quantity ORDER BY cart.product_id)
          INTO v_products, v_quantities
          FROM (SELECT line.product_id, sum(line.quantity)::bigint AS quantity
                  FROM unnest(p_product_ids, p_quantities) AS line (product_id, quantity)
                 GROUP BY line.product_id) AS cart;
        IF 2147483647 < ANY (v_quantities) THEN
            RAISE EXCEPTION 'the quantities of one product add up to more than 2147483647' USING ERRCODE = 'HR001';
        END IF;
    END IF;
    -- What the key stands for; service/stock/strategies computes the same.
    v_hash := CASE cardinality(v_products)
        WHEN 1 THEN (v_products[1] << 31) | v_quantities[1]
        ELSE ('x' || left(encode(sha256(convert_to(v_products::text || v_quantities::text, 'UTF8')), 'hex'), 16))
            ::bit(64)::bigint END;

    -- A second round is for a call that lost a race: for its key, or for the last units of the counter it chose.
    FOR v_round IN 1..3 LOOP
        -- The first warehouse, by priority, that has enough of the first product; any of its buckets.
        SELECT s.id,
               cardinality(v_products) = 1 AND p_mode = 'new' AND p.max_per_user IS NULL AND p.is_active
               AND NOT EXISTS (SELECT FROM stock_waitlist AS w WHERE w.product_id = v_products[1]),
               CASE WHEN p.stock_mode = 'units' THEN units.last_id IS NOT NULL ELSE s.available >= v_quantities[1] END,
               p.stock_mode = 'units', units.last_id
          INTO v_stock_id, v_is_simple, v_is_enough, v_is_pooled, v_last_unit
          FROM product_stock AS s
          JOIN warehouse AS w ON w.id = s.warehouse_id
          JOIN product AS p ON p.id = s.product_id
          LEFT JOIN LATERAL (
              SELECT CASE WHEN p.stock_mode = 'units'
                          THEN (SELECT max(u.id) FROM stock_unit AS u WHERE u.product_stock_id = s.id) END) AS units (last_id)
              ON true
         WHERE s.product_id = v_products[1]
         ORDER BY CASE WHEN p.stock_mode = 'units' THEN units.last_id IS NOT NULL
                       ELSE s.available >= v_quantities[1] END DESC,
                  w.priority, CASE WHEN p.stock_mode = 'buckets' THEN random() END, s.id
         LIMIT 1;
        IF v_round > 1 OR NOT coalesce(v_is_simple AND v_is_enough, false) THEN
            -- Otherwise the INSERT finds out, and this is the next round.
            SELECT r.order_id, r.request_hash, r.expires_at INTO v_previous
              FROM stock_reservation AS r
             WHERE r.user_id = p_user_id AND hashtextextended(r.idempotency_key, 0) = hashtextextended(p_key, 0)
             LIMIT 1;
            IF FOUND THEN
                IF v_previous.request_hash = v_hash THEN
                    outcome := 'replayed';
                    order_id := v_previous.order_id;
                    expires_at := v_previous.expires_at;
                ELSE
                    outcome := 'key_conflict';
                END IF;
                RETURN;
            END IF;
        END IF;
        -- Two questions, not one with AND: whoever is not refused shall not pay for the second.
        IF v_is_simple AND NOT v_is_enough THEN
            -- Sold out and nothing due: the commonest refusal of a flash sale, in a few index reads. (An EXISTS with the
            -- deadline in it reads the whole table: the planner expects a third of it to be due.)
            IF coalesce((SELECT min(r.expires_at) FROM stock_reservation AS r
                          WHERE r.status IN ('held', 'paying')) > v_asked_at, true) THEN
                SELECT sum(stock_free_units_v1(s)) INTO v_free FROM product_stock AS s WHERE s.product_id = v_products[1];
                IF v_free < v_quantities[1] THEN
                    outcome := 'insufficient';
                    available := array_fill(v_free, ARRAY[cardinality(p_product_ids)]);
                    RETURN;
                END IF;
            END IF;
        END IF;
        v_is_simple := coalesce(v_is_simple AND v_is_enough, false) AND NOT v_has_lost;
        v_is_pooled := v_is_simple AND v_is_pooled;
        IF NOT v_is_simple THEN
            -- Refuse without a lock what cannot be had, due holds and the buyer's own included.
            SELECT refusal.outcome, refusal.available INTO outcome, available
              FROM stock_refusal_v1(p_user_id, p_product_ids, v_products, v_quantities, p_mode) AS refusal;
            IF outcome IS NOT NULL THEN
                RETURN;
            END IF;
        END IF;

        BEGIN
            -- The key first: a call with the same key waits here, where nobody waits for it.
            v_transaction_id := nextval('public.stock_transaction_id_seq');
            INSERT INTO stock_reservation AS r
                (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
                 transaction_id, is_pooled, expires_at, created_at, updated_at)
            VALUES (p_order_id, 1, p_user_id, v_stock_id, v_quantities[1], 'held', p_key, v_hash,
                    v_transaction_id, v_is_pooled, v_asked_at + v_ttl, v_asked_at, v_asked_at)
                ON CONFLICT (user_id, hashtextextended(idempotency_key, 0), line) DO NOTHING
            RETURNING r.id INTO v_reservation_id;
            CONTINUE WHEN NOT FOUND;

            IF NOT v_is_simple THEN
                SELECT taken.outcome, taken.available, taken.granted_at INTO outcome, available, v_granted_at
                  FROM stock_take_v1(v_reservation_id, p_user_id, p_product_ids, v_products, v_quantities, p_mode) AS taken;
                IF outcome IS NOT NULL AND p_mode = 'replace' THEN
                    RAISE EXCEPTION 'the cart cannot be had' USING ERRCODE = 'HR901';
                ELSIF outcome IS NOT NULL THEN
                    DELETE FROM stock_reservation AS r WHERE r.id = v_reservation_id;
                    RETURN;
                END IF;
            ELSE
                IF v_is_pooled THEN
                    -- From anywhere, so that callers do not meet and no one has to step over what was taken from the
                    -- front. Rows that others are taking are passed over: nobody waits for anybody.
                    SELECT min(u.id) INTO v_first_unit FROM stock_unit AS u WHERE u.product_stock_id = v_stock_id;
                    FOREACH v_start IN ARRAY ARRAY[
                        v_first_unit + floor(random() * (v_last_unit - v_first_unit + 1))::bigint, v_first_unit] LOOP
                        SELECT array_agg(free.id) INTO v_units
                          FROM (SELECT u.id FROM stock_unit AS u
                                 WHERE u.product_stock_id = v_stock_id AND u.id >= v_start
                                 ORDER BY u.product_stock_id, u.id LIMIT v_quantities[1] FOR UPDATE SKIP LOCKED) AS free;
                        EXIT WHEN cardinality(v_units) = v_quantities[1];
                    END LOOP;
                    v_has_lost := cardinality(v_units) IS DISTINCT FROM v_quantities[1]
                        OR EXISTS (SELECT FROM stock_waitlist AS w WHERE w.product_id = v_products[1]);
                    DELETE FROM stock_unit AS u WHERE u.id = ANY (v_units) AND NOT v_has_lost;
                ELSE
                    -- An expression, where PERFORM would start a query.
                    v_has_queued := pg_advisory_xact_lock(c_queue + v_stock_id) IS NOT NULL;
                    WITH taken AS (
                        UPDATE product_stock AS s
                           SET available = s.available - v_quantities[1], held = s.held + v_quantities[1],
                               version = s.version + 1, updated_at = clock_timestamp()
                         WHERE s.id = v_stock_id AND s.available >= v_quantities[1]
                           AND NOT EXISTS (SELECT FROM stock_waitlist AS w WHERE w.product_id = v_products[1])
                        RETURNING s.version, s.available = 0 AS is_last),
                    told AS (
                        INSERT INTO stock_transaction
                            (id, product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold,
                             version, created_at)
                        SELECT v_transaction_id, v_stock_id, v_reservation_id, 'reserve', -v_quantities[1],
                               v_quantities[1], 0, taken.version, clock_timestamp()
                          FROM taken)
                    SELECT taken.is_last INTO v_is_last FROM taken;
                    v_has_lost := NOT FOUND;
                END IF;
                IF v_has_lost THEN
                    -- An UPDATE whose guard fails after a wait has locked its row all the same. Only an undone
                    -- subtransaction lets go of it before all counters are locked in their order.
                    RAISE EXCEPTION 'the units went to somebody else' USING ERRCODE = 'HR900';
                END IF;
                -- Not updated_at: the UPDATE may have computed it before it waited for the row.
                v_granted_at := clock_timestamp();
                IF v_is_pooled THEN
                    INSERT INTO stock_transaction
                        (id, product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, created_at)
                    VALUES (v_transaction_id, v_stock_id, v_reservation_id, 'reserve', -v_quantities[1],
                            v_quantities[1], 0, v_granted_at);
                ELSIF v_is_last THEN
                    PERFORM stock_tell_sold_out_v1(v_products);
                END IF;
            END IF;

            -- The rows were written before the lock was granted; the lifetime counts from the grant.
            IF v_granted_at - v_asked_at > v_tolerated_wait THEN
                UPDATE stock_reservation AS r
                   SET created_at = v_granted_at, updated_at = v_granted_at, expires_at = v_granted_at + v_ttl
                 WHERE r.order_id = p_order_id;
            ELSE
                v_granted_at := v_asked_at;
            END IF;
            outcome := 'reserved';
            order_id := p_order_id;
            expires_at := v_granted_at + v_ttl;
            RETURN;
        EXCEPTION
            WHEN lock_not_available THEN
                outcome := 'busy';
                RETURN;
            WHEN SQLSTATE 'HR901' THEN
                -- Undone with all that was given back for it: who cannot replace a hold keeps it.
                RETURN;
            WHEN SQLSTATE 'HR900' THEN
                v_has_lost := true;
        END;
    END LOOP;
    outcome := 'busy';
END
$function$;
REVOKE ALL ON FUNCTION public.reserve_stock_v1(uuid, bigint, text, bigint[], integer[], integer, text) FROM PUBLIC;
