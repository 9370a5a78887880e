-- stock_decide_v1: the second pass of a batch: decide request by request, first come first served, then write.
-- Locks:   keys in (user, key) order, all counters of the products that can be had in ascending id, buyers' totals.
-- Returns: see reserve_stock_many. Requests that cannot be had are refused without a lock.
-- Used by: reserve_stock_many; granted to nobody.
CREATE FUNCTION public.stock_decide_v1(
    p_order_ids uuid[], p_user_ids bigint[], p_keys text[], p_product_ids bigint[], p_quantities integer[],
    p_ttl_s integer
)
RETURNS TABLE (request integer, outcome text, order_id uuid, expires_at timestamptz, available bigint)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
-- Planning anew for each batch's arrays costs more than a small batch itself (docs/adr/0012).
SET plan_cache_mode = force_generic_plan
AS $function$
DECLARE
    c_max_reclaimed CONSTANT integer := 1000;
    v_count CONSTANT integer := cardinality(p_order_ids);
    v_ttl CONSTANT interval := make_interval(secs => p_ttl_s);
    v_now timestamptz := clock_timestamp();
    v_outcomes text[] := array_fill(NULL::text, ARRAY[v_count]);
    v_orders uuid[] := array_fill(NULL::uuid, ARRAY[v_count]);
    v_expiries timestamptz[] := array_fill(NULL::timestamptz, ARRAY[v_count]);
    v_available bigint[] := array_fill(NULL::bigint, ARRAY[v_count]);
    v_found record;
    v_claims bigint[] := array_fill(NULL::bigint, ARRAY[v_count]);
    v_products bigint[];
    -- The counters as they will be: one entry for each, and the transaction that will change it.
    v_stock_ids bigint[];
    v_stock_products bigint[];
    v_free bigint[];
    v_taken bigint[];
    v_transactions bigint[];
    v_choice integer;
    -- For a repeated key the request that came first, and for that one who holds its claim now.
    v_first integer[] := array_fill(NULL::integer, ARRAY[v_count]);
    v_holder integer[] := array_fill(NULL::integer, ARRAY[v_count]);
    -- The lines to write: which request, from which counter, how many units.
    v_line_requests integer[] := '{}';
    v_line_choices integer[] := '{}';
    v_line_units bigint[] := '{}';
    v_before integer;
    v_wanted bigint;
    v_taking bigint;
    v_limit integer;
    v_units integer;
    v_left bigint;
BEGIN
    -- Keys that were used before.
    FOR v_found IN
        SELECT asked.position::integer AS position, r.order_id, r.expires_at,
               r.request_hash = (asked.product_id << 31) | asked.quantity AS is_same
          FROM unnest(p_user_ids, p_keys, p_product_ids, p_quantities) WITH ORDINALITY
            AS asked (user_id, key, product_id, quantity, position)
          JOIN stock_reservation AS r ON r.user_id = asked.user_id AND r.line = 1
               AND hashtextextended(r.idempotency_key, 0) = hashtextextended(asked.key, 0)
    LOOP
        IF v_found.is_same THEN
            v_outcomes[v_found.position] := 'replayed';
            v_orders[v_found.position] := v_found.order_id;
            v_expiries[v_found.position] := v_found.expires_at;
        ELSE
            v_outcomes[v_found.position] := 'key_conflict';
        END IF;
    END LOOP;
    -- What cannot be had, told without a lock.
    FOR v_found IN
        WITH state AS MATERIALIZED (
            SELECT wanted.product_id, p.id IS NOT NULL AND stock.free IS NOT NULL AS is_known, p.is_active,
                   p.max_per_user,
                   CASE WHEN waiting.first_id IS NULL THEN stock.free ELSE 0 END AS free,
                   CASE WHEN waiting.first_id IS NULL AND stock.free < wanted.units THEN (
                       SELECT coalesce(sum(due.quantity), 0)
                         FROM (SELECT r.product_stock_id, r.quantity FROM stock_reservation AS r
                                WHERE r.status IN ('held', 'paying') AND r.expires_at <= v_now
                                ORDER BY r.expires_at LIMIT 10000) AS due
                         JOIN product_stock AS s ON s.id = due.product_stock_id
                        WHERE s.product_id = wanted.product_id) ELSE 0 END AS due
              FROM (SELECT r.product_id, sum(r.quantity) AS units
                      FROM unnest(p_product_ids, p_quantities) AS r (product_id, quantity) GROUP BY r.product_id) AS wanted
              LEFT JOIN product AS p ON p.id = wanted.product_id
              LEFT JOIN LATERAL (SELECT sum(stock_free_units_v1(s))::bigint AS free FROM product_stock AS s
                                  WHERE s.product_id = wanted.product_id) AS stock ON true
              LEFT JOIN LATERAL (SELECT min(l.id) AS first_id FROM stock_waitlist AS l
                                  WHERE l.product_id = wanted.product_id) AS waiting ON true)
        SELECT asked.position::integer AS position, state.free,
               CASE WHEN NOT state.is_known THEN 'unknown_product'
                    WHEN NOT state.is_active THEN 'inactive_product'
                    WHEN state.max_per_user < asked.quantity + asked.had THEN 'user_limit'
                    ELSE 'insufficient' END AS outcome
          FROM (SELECT a.product_id, a.quantity, a.outcome, a.position,
                       -- An earlier request of the same buyer decides whether this one meets the limit.
                       count(*) OVER (PARTITION BY a.user_id, a.product_id) > 1 AS is_repeated,
                       -- Due holds do not count.
                       CASE WHEN p.max_per_user IS NULL THEN 0 ELSE
                           coalesce((SELECT t.units FROM stock_user_total AS t
                                      WHERE t.product_id = p.id AND t.user_id = a.user_id), 0)
                           - (SELECT coalesce(sum(r.quantity), 0) FROM stock_reservation AS r
                                JOIN product_stock AS s ON s.id = r.product_stock_id
                               WHERE r.user_id = a.user_id AND s.product_id = p.id
                                 AND r.status IN ('held', 'paying') AND r.expires_at <= v_now) END AS had
                  FROM unnest(p_user_ids, p_product_ids, p_quantities, v_outcomes) WITH ORDINALITY
                    AS a (user_id, product_id, quantity, outcome, position)
                  LEFT JOIN product AS p ON p.id = a.product_id) AS asked
          JOIN state ON state.product_id = asked.product_id
         WHERE asked.outcome IS NULL
           AND (NOT state.is_known OR NOT state.is_active OR state.max_per_user < asked.quantity + asked.had
                OR state.free + state.due < asked.quantity AND NOT (state.max_per_user IS NOT NULL AND asked.is_repeated))
    LOOP
        v_outcomes[v_found.position] := v_found.outcome;
        IF v_found.outcome = 'insufficient' THEN
            v_available[v_found.position] := v_found.free;
        END IF;
    END LOOP;

    -- A key that comes twice is claimed once, by the first that might be had.
    FOR v_found IN
        SELECT asked.position::integer AS position, asked.first::integer AS first, asked.outcome
          FROM (SELECT a.position, a.outcome,
                       min(a.position) FILTER (WHERE a.outcome IS NULL) OVER (PARTITION BY a.user_id, a.key) AS first
                  FROM unnest(p_user_ids, p_keys, v_outcomes) WITH ORDINALITY AS a (user_id, key, outcome, position)
                 WHERE a.outcome IS NULL OR a.outcome NOT IN ('replayed', 'key_conflict')) AS asked
         WHERE asked.first < asked.position
    LOOP
        v_outcomes[v_found.position] := coalesce(v_found.outcome, 'repeated');
        v_first[v_found.position] := v_found.first;
        v_holder[v_found.first] := v_found.first;
    END LOOP;
    -- The keys of the rest, before any counter is locked.
    FOR v_found IN
        WITH claimed AS (
            INSERT INTO stock_reservation AS r
                (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
                 transaction_id, expires_at, created_at, updated_at)
            SELECT asked.order_id, 1, asked.user_id, 0, asked.quantity, 'held', asked.key,
                   (asked.product_id << 31) | asked.quantity, 0, v_now + v_ttl, v_now, v_now
              FROM unnest(p_order_ids, p_user_ids, p_keys, p_product_ids, p_quantities) WITH ORDINALITY
                AS asked (order_id, user_id, key, product_id, quantity, position)
             WHERE v_outcomes[asked.position] IS NULL
             ORDER BY asked.user_id, hashtextextended(asked.key, 0)
                ON CONFLICT (user_id, hashtextextended(idempotency_key, 0), line) DO NOTHING
            RETURNING r.id, r.order_id)
        SELECT asked.position::integer AS position, claimed.id
          FROM claimed JOIN unnest(p_order_ids) WITH ORDINALITY AS asked (order_id, position)
            ON asked.order_id = claimed.order_id
    LOOP
        v_claims[v_found.position] := v_found.id;
    END LOOP;

    SELECT array_agg(DISTINCT p_product_ids[i]) INTO v_products
      FROM generate_series(1, v_count) AS i WHERE v_claims[i] IS NOT NULL OR v_outcomes[i] = 'repeated';
    IF v_products IS NOT NULL THEN
        PERFORM 1 FROM product_stock AS s WHERE s.product_id = ANY (v_products) ORDER BY s.id FOR NO KEY UPDATE;
        PERFORM stock_lapse_v1(p_user_ids, v_products)
          WHERE EXISTS (SELECT FROM product AS p WHERE p.id = ANY (v_products) AND p.max_per_user IS NOT NULL);
        PERFORM stock_reclaim_v1(ARRAY[short.product_id], c_max_reclaimed)
           FROM (SELECT p_product_ids[i] AS product_id, sum(p_quantities[i]) AS units
                   FROM generate_series(1, v_count) AS i
                  WHERE v_claims[i] IS NOT NULL OR v_outcomes[i] = 'repeated' GROUP BY 1) AS short
          WHERE short.units > (SELECT coalesce(sum(stock_free_units_v1(s)), 0) FROM product_stock AS s
                                WHERE s.product_id = short.product_id);
        PERFORM stock_offer_v1(v_products);
        PERFORM stock_unpool_v1(array_agg(asked.product_id ORDER BY asked.product_id),
                                array_agg(asked.units ORDER BY asked.product_id))
           FROM (SELECT p_product_ids[i] AS product_id, sum(p_quantities[i])::bigint AS units
                   FROM generate_series(1, v_count) AS i
                  WHERE v_claims[i] IS NOT NULL OR v_outcomes[i] = 'repeated' GROUP BY 1) AS asked;
        v_now := clock_timestamp();
        SELECT array_agg(s.id ORDER BY w.priority, s.id), array_agg(s.product_id ORDER BY w.priority, s.id),
               array_agg(CASE WHEN EXISTS (SELECT FROM stock_waitlist AS l WHERE l.product_id = s.product_id)
                              THEN 0 ELSE s.available END ORDER BY w.priority, s.id)
          INTO v_stock_ids, v_stock_products, v_free
          FROM product_stock AS s JOIN warehouse AS w ON w.id = s.warehouse_id
         WHERE s.product_id = ANY (v_products);
        v_taken := array_fill(0::bigint, ARRAY[cardinality(v_stock_ids)]);
        v_transactions := array_fill(NULL::bigint, ARRAY[cardinality(v_stock_ids)]);

        FOR v_position IN 1..v_count LOOP
            IF v_first[v_position] IS NOT NULL THEN
                v_before := v_holder[v_first[v_position]];
                IF v_outcomes[v_before] = 'reserved' THEN
                    IF (p_product_ids[v_before], p_quantities[v_before])
                       = (p_product_ids[v_position], p_quantities[v_position]) THEN
                        v_outcomes[v_position] := 'replayed';
                        v_orders[v_position] := v_orders[v_before];
                        v_expiries[v_position] := v_expiries[v_before];
                    ELSE
                        v_outcomes[v_position] := 'key_conflict';
                    END IF;
                    v_available[v_position] := NULL;
                    CONTINUE;
                END IF;
                -- The one before was refused, so the key is free again: its claim passes on.
                IF v_outcomes[v_position] = 'repeated' THEN
                    CONTINUE WHEN v_claims[v_before] IS NULL;
                    v_claims[v_position] := v_claims[v_before];
                    v_claims[v_before] := NULL;
                    v_holder[v_first[v_position]] := v_position;
                END IF;
            END IF;
            SELECT coalesce(sum(free.units), 0), coalesce(max(free.units), 0) INTO v_left, v_taking
              FROM unnest(v_stock_products, v_free) AS free (product_id, units)
             WHERE free.product_id = p_product_ids[v_position];
            IF v_claims[v_position] IS NULL THEN
                IF v_outcomes[v_position] = 'insufficient' AND p_product_ids[v_position] = ANY (v_products) THEN
                    v_available[v_position] := v_left;
                END IF;
                CONTINUE;
            END IF;
            SELECT p.max_per_user INTO v_limit FROM product AS p WHERE p.id = p_product_ids[v_position];
            IF v_limit IS NOT NULL THEN
                SELECT coalesce(max(t.units), 0) INTO v_units FROM stock_user_total AS t
                 WHERE t.product_id = p_product_ids[v_position] AND t.user_id = p_user_ids[v_position];
                IF v_units + p_quantities[v_position] > v_limit THEN
                    v_outcomes[v_position] := 'user_limit';
                    CONTINUE;
                END IF;
            END IF;
            v_wanted := p_quantities[v_position];
            IF v_left < v_wanted THEN
                v_outcomes[v_position] := 'insufficient';
                v_available[v_position] := v_left;
                CONTINUE;
            END IF;
            -- The first warehouse that has enough; where none has, from one after the other.
            FOR v_choice IN 1..cardinality(v_stock_ids) LOOP
                CONTINUE WHEN v_stock_products[v_choice] <> p_product_ids[v_position] OR v_free[v_choice] = 0
                              OR v_taking >= p_quantities[v_position] AND v_free[v_choice] < p_quantities[v_position];
                v_transactions[v_choice] :=
                    coalesce(v_transactions[v_choice], nextval('public.stock_transaction_id_seq'));
                v_line_requests := v_line_requests || v_position;
                v_line_choices := v_line_choices || v_choice;
                v_line_units := v_line_units || least(v_wanted, v_free[v_choice]);
                v_taken[v_choice] := v_taken[v_choice] + least(v_wanted, v_free[v_choice]);
                v_wanted := v_wanted - least(v_wanted, v_free[v_choice]);
                v_free[v_choice] := v_free[v_choice] - v_line_units[cardinality(v_line_units)];
                EXIT WHEN v_wanted = 0;
            END LOOP;
            IF v_limit IS NOT NULL THEN
                INSERT INTO stock_user_total AS t (product_id, user_id, units)
                VALUES (p_product_ids[v_position], p_user_ids[v_position], p_quantities[v_position])
                    ON CONFLICT (product_id, user_id) DO UPDATE SET units = t.units + excluded.units;
            END IF;
            v_outcomes[v_position] := 'reserved';
            v_available[v_position] := NULL;
            v_orders[v_position] := p_order_ids[v_position];
            v_expiries[v_position] := v_now + v_ttl;
        END LOOP;

        DELETE FROM stock_reservation AS r
         WHERE r.id IN (SELECT claim.id FROM unnest(v_claims, v_outcomes) AS claim (id, outcome)
                         WHERE claim.outcome <> 'reserved');
        WITH granted AS (
            SELECT given.request, v_stock_ids[given.choice] AS stock_id, v_transactions[given.choice] AS transaction_id,
                   given.units, row_number() OVER (PARTITION BY given.request ORDER BY given.position) AS line
              FROM unnest(v_line_requests, v_line_choices, v_line_units) WITH ORDINALITY
                AS given (request, choice, units, position)),
        first_lines AS (
            UPDATE stock_reservation AS r
               SET order_id = p_order_ids[granted.request], product_stock_id = granted.stock_id,
                   quantity = granted.units, transaction_id = granted.transaction_id,
                   request_hash = (p_product_ids[granted.request] << 31) | p_quantities[granted.request],
                   created_at = v_now, updated_at = v_now, expires_at = v_now + v_ttl
              FROM granted
             WHERE granted.line = 1 AND r.id = v_claims[granted.request])
        INSERT INTO stock_reservation
            (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
             transaction_id, expires_at, created_at, updated_at)
        SELECT p_order_ids[granted.request], granted.line, p_user_ids[granted.request], granted.stock_id, granted.units,
               'held', p_keys[granted.request], (p_product_ids[granted.request] << 31) | p_quantities[granted.request],
               granted.transaction_id, v_now + v_ttl, v_now, v_now
          FROM granted WHERE granted.line > 1;
        PERFORM stock_change_v1(taken.stock_id, 'reserve', NULL, -taken.units, taken.units, 0, taken.transaction_id)
           FROM unnest(v_stock_ids, v_taken, v_transactions) AS taken (stock_id, units, transaction_id)
          WHERE taken.units > 0;
        PERFORM stock_tell_sold_out_v1(v_products) WHERE EXISTS (SELECT FROM unnest(v_taken) AS units WHERE units > 0);
    END IF;

    -- What remains comes one by one: keys that another call took meanwhile.
    FOR v_position IN 1..v_count LOOP
        IF v_outcomes[v_position] IS NULL OR v_outcomes[v_position] = 'repeated' THEN
            SELECT one.outcome, one.order_id, one.expires_at, one.available[1] INTO v_found
              FROM reserve_stock_v1(p_order_ids[v_position], p_user_ids[v_position], p_keys[v_position],
                                    ARRAY[p_product_ids[v_position]], ARRAY[p_quantities[v_position]], p_ttl_s) AS one;
            v_outcomes[v_position] := v_found.outcome;
            v_orders[v_position] := v_found.order_id;
            v_expiries[v_position] := v_found.expires_at;
            v_available[v_position] := v_found.available;
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT told.position::integer, told.outcome, told.order_id, told.expires_at, told.available
          FROM unnest(v_outcomes, v_orders, v_expiries, v_available) WITH ORDINALITY
            AS told (outcome, order_id, expires_at, available, position);
END
$function$;
REVOKE ALL ON FUNCTION public.stock_decide_v1(uuid[], bigint[], text[], bigint[], integer[], integer) FROM PUBLIC;
