-- reserve_stock_many_v1: many independent requests of one product each, in one transaction, as if called in order.
-- Locks:   the counters of all products of the batch, in ascending id; in the optimistic pass only after every row is
--          written. Keys are written in (user, key) order before that, so that two batches never deadlock.
-- Raises:  HR001 an argument out of its range: the whole batch is refused; 55P03 a row stayed locked for lock_timeout.
-- Returns: one row for each request, in order: position, and what reserve_stock returns.
-- Used by: service/stock/lane.py. Any psql session may call it.
CREATE FUNCTION public.reserve_stock_many_v1(
    p_order_ids uuid[], p_user_ids bigint[], p_keys text[], p_product_ids bigint[], p_quantities integer[],
    p_ttl_s integer
)
RETURNS TABLE (request integer, outcome text, order_id uuid, expires_at timestamptz, available bigint)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
-- Planning anew for each batch's arrays costs more than a small batch itself (docs/adr/0012).
SET plan_cache_mode = force_generic_plan
AS $function$
DECLARE
    -- Past this a batch holds its locks longer than it saves round trips.
    c_max_requests CONSTANT integer := 10000;
    -- Added to a counter's id it names an advisory lock: callers of one counter queue there (docs/adr/0014).
    c_queue CONSTANT bigint := 5217461234567168000;
    v_count CONSTANT integer := cardinality(p_order_ids);
    v_ttl CONSTANT interval := make_interval(secs => p_ttl_s);
    -- Rows are dated before the lock is granted. A wait that is longer than this hundredth of the lifetime, or than a
    -- second, is made good by dating them again, under the lock.
    v_tolerated_wait CONSTANT interval := least(v_ttl / 100, interval '1 second');
    v_asked_at CONSTANT timestamptz := clock_timestamp();
    v_granted_at timestamptz;
    v_is_simple boolean;
    v_stock_ids bigint[];
    v_sums bigint[];
    v_transaction_ids bigint[];
    v_changed integer;
    v_empty bigint[];
BEGIN
    IF v_count IS NULL OR v_count NOT BETWEEN 1 AND c_max_requests
       OR cardinality(p_user_ids) IS DISTINCT FROM v_count OR cardinality(p_keys) IS DISTINCT FROM v_count
       OR cardinality(p_product_ids) IS DISTINCT FROM v_count OR cardinality(p_quantities) IS DISTINCT FROM v_count THEN
        RAISE EXCEPTION 'the arrays must all have one element for each request, 1 to % of them', c_max_requests
            USING ERRCODE = 'HR001';
    ELSIF p_ttl_s IS NULL OR p_ttl_s NOT BETWEEN 1 AND 86400 THEN
        RAISE EXCEPTION 'the ttl is % s; 1 to 86400 are allowed', p_ttl_s USING ERRCODE = 'HR001';
    ELSIF array_position(p_order_ids, NULL) IS NOT NULL OR array_position(p_user_ids, NULL) IS NOT NULL
          OR array_position(p_keys, NULL) IS NOT NULL OR array_position(p_product_ids, NULL) IS NOT NULL
          OR array_position(p_quantities, NULL) IS NOT NULL OR 1 > ANY (p_quantities) OR '' = ANY (p_keys)
          OR EXISTS (SELECT FROM unnest(p_keys) AS k (key) WHERE length(k.key) > 255) THEN
        RAISE EXCEPTION 'each quantity must be at least 1, no element NULL, and each key have 1 to 255 characters'
            USING ERRCODE = 'HR001';
    END IF;

    -- Enough for the whole batch in one warehouse each, no limit, nobody waiting: the optimistic pass.
    SELECT array_agg(stock.id ORDER BY stock.id), array_agg(wanted.units ORDER BY stock.id), count(stock.id) = count(*)
      INTO v_stock_ids, v_sums, v_is_simple
      FROM (SELECT r.product_id, sum(r.quantity)::bigint AS units
              FROM unnest(p_product_ids, p_quantities) AS r (product_id, quantity) GROUP BY r.product_id) AS wanted
      LEFT JOIN LATERAL (
          SELECT s.id FROM product_stock AS s
            JOIN warehouse AS w ON w.id = s.warehouse_id
            JOIN product AS p ON p.id = s.product_id
           WHERE s.product_id = wanted.product_id AND s.available >= wanted.units AND p.is_active
             AND p.max_per_user IS NULL
             AND NOT EXISTS (SELECT FROM stock_waitlist AS l WHERE l.product_id = wanted.product_id)
           ORDER BY w.priority, s.id LIMIT 1) AS stock ON true;
    IF v_is_simple THEN
        SELECT array_agg(nextval('public.stock_transaction_id_seq')) INTO v_transaction_ids
          FROM generate_series(1, cardinality(v_stock_ids));
        BEGIN
            INSERT INTO stock_reservation
                (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
                 transaction_id, expires_at, created_at, updated_at)
            SELECT r.order_id, 1, r.user_id, stock.id, r.quantity, 'held', r.key,
                   (r.product_id << 31) | r.quantity, stock.transaction_id, v_asked_at + v_ttl, v_asked_at, v_asked_at
              FROM unnest(p_order_ids, p_user_ids, p_keys, p_product_ids, p_quantities)
                AS r (order_id, user_id, key, product_id, quantity)
              JOIN (SELECT s.product_id, chosen.id, chosen.transaction_id
                      FROM unnest(v_stock_ids, v_transaction_ids) AS chosen (id, transaction_id)
                      JOIN product_stock AS s ON s.id = chosen.id) AS stock ON stock.product_id = r.product_id
             ORDER BY r.user_id, hashtextextended(r.key, 0);
            IF cardinality(v_stock_ids) = 1 THEN
                PERFORM pg_advisory_xact_lock(c_queue + v_stock_ids[1]);
            END IF;
            PERFORM 1 FROM product_stock AS s WHERE s.id = ANY (v_stock_ids) ORDER BY s.id FOR NO KEY UPDATE;
            v_granted_at := clock_timestamp();
            WITH changed AS (
                UPDATE product_stock AS s
                   SET available = s.available - wanted.units, held = s.held + wanted.units, version = s.version + 1,
                       updated_at = v_granted_at
                  FROM unnest(v_stock_ids, v_sums, v_transaction_ids) AS wanted (id, units, transaction_id)
                 WHERE s.id = wanted.id AND s.available >= wanted.units
                   AND NOT EXISTS (SELECT FROM stock_waitlist AS l WHERE l.product_id = s.product_id)
                RETURNING s.id, s.product_id, s.available, s.version, wanted.units, wanted.transaction_id),
            told AS (
                INSERT INTO stock_transaction
                    (id, product_stock_id, kind, delta_available, delta_held, delta_sold, version, created_at)
                SELECT changed.transaction_id, changed.id, 'reserve', -changed.units, changed.units, 0, changed.version,
                       v_granted_at
                  FROM changed)
            SELECT count(*), array_agg(changed.product_id) FILTER (WHERE changed.available = 0)
              INTO v_changed, v_empty FROM changed;
            IF v_changed <> cardinality(v_stock_ids) THEN
                RAISE EXCEPTION 'sold out meanwhile' USING ERRCODE = 'HR900';
            END IF;
            IF v_empty IS NOT NULL THEN
                PERFORM stock_tell_sold_out_v1(v_empty);
            END IF;
            IF v_granted_at - v_asked_at > v_tolerated_wait THEN
                UPDATE stock_reservation AS r
                   SET created_at = v_granted_at, updated_at = v_granted_at, expires_at = v_granted_at + v_ttl
                 WHERE r.order_id = ANY (p_order_ids);
            ELSE
                v_granted_at := v_asked_at;
            END IF;
            RETURN QUERY SELECT r.position::integer, 'reserved', r.order_id, v_granted_at + v_ttl, NULL::bigint
                           FROM unnest(p_order_ids) WITH ORDINALITY AS r (order_id, position);
            RETURN;
        EXCEPTION
            -- A key that was used before, or a guard that failed: nothing of the pass remains.
            WHEN unique_violation OR SQLSTATE 'HR900' THEN
                NULL;
        END;
    END IF;
    RETURN QUERY
        SELECT decided.request, decided.outcome, decided.order_id, decided.expires_at, decided.available
          FROM stock_decide_v1(p_order_ids, p_user_ids, p_keys, p_product_ids, p_quantities, p_ttl_s) AS decided;
END
$function$;
REVOKE ALL ON FUNCTION public.reserve_stock_many_v1(uuid[], bigint[], text[], bigint[], integer[], integer) FROM PUBLIC;
