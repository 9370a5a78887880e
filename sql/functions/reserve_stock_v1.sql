-- reserve_stock_v1: hold units of one or more products until p_ttl_s seconds after the grant.
-- Locks:   one product_stock row for one product; for a cart all rows of its products, in ascending id.
-- Raises:  HR001 an argument out of its range; 55P03 a row stayed locked for lock_timeout.
-- Returns: outcome reserved, replayed (same key, same cart: order_id and expires_at of the first call), key_conflict,
--          insufficient (available: free units, in the order of the product ids), unknown_product, inactive_product, or
--          busy (the chosen warehouse sold out meanwhile and another has stock: call again, nothing was written).
-- Used by: service/stock/strategies/function.py. Any psql session may call it.
CREATE FUNCTION public.reserve_stock_v1(
    p_order_id uuid,
    p_user_id bigint,
    p_key text,
    p_product_ids bigint[],
    p_quantities integer[],
    p_ttl_s integer,
    OUT outcome text,
    OUT order_id uuid,
    OUT expires_at timestamptz,
    OUT available bigint[]
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    -- A cart longer than this is a mistake or an attack: each line is a row lock.
    c_max_lines CONSTANT integer := 100;
    -- Waiting longer than this for the row lock would visibly eat into the hold's lifetime.
    c_visible_wait CONSTANT interval := interval '50 milliseconds';
    v_products bigint[];
    v_quantities bigint[];
    v_hash bigint;
    v_ttl CONSTANT interval := make_interval(secs => p_ttl_s);
    v_asked_at CONSTANT timestamptz := clock_timestamp();
    v_granted_at timestamptz;
    v_stock_ids bigint[];
    v_reservation_ids bigint[];
    v_version bigint;
    v_found integer;
    v_previous record;
BEGIN
    IF p_order_id IS NULL OR p_user_id IS NULL OR p_key IS NULL OR p_ttl_s IS NULL
       OR p_product_ids IS NULL OR p_quantities IS NULL THEN
        RAISE EXCEPTION 'no argument may be NULL' USING ERRCODE = 'HR001';
    ELSIF length(p_key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'the key has % characters; 1 to 255 are allowed', length(p_key) USING ERRCODE = 'HR001';
    ELSIF p_ttl_s NOT BETWEEN 1 AND 86400 THEN
        RAISE EXCEPTION 'the ttl is % s; 1 to 86400 are allowed', p_ttl_s USING ERRCODE = 'HR001';
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
    v_hash := ('x' || left(encode(sha256(convert_to(v_products::text || v_quantities::text, 'UTF8')), 'hex'), 16))
        ::bit(64)::bigint;

    -- The second round is for a call that lost the race for its key to a call with the same key.
    FOR v_round IN 1..2 LOOP
        SELECT r.order_id, r.request_hash, r.expires_at INTO v_previous
          FROM stock_reservation AS r
         WHERE r.user_id = p_user_id AND r.idempotency_key = p_key
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

        -- Several products: lock every candidate in ascending id before anything is decided, so that no two
        -- carts can deadlock. One product: no lock yet, the conditional UPDATE below decides.
        IF cardinality(v_products) > 1 THEN
            PERFORM 1 FROM product_stock AS s WHERE s.product_id = ANY (v_products)
              ORDER BY s.id FOR NO KEY UPDATE;
        END IF;
        -- For each product the first warehouse, by priority, that has enough.
        SELECT array_agg(choice.stock_id ORDER BY cart.position), count(choice.stock_id)
          INTO v_stock_ids, v_found
          FROM unnest(v_products, v_quantities) WITH ORDINALITY AS cart (product_id, quantity, position)
          CROSS JOIN LATERAL (
              SELECT s.id AS stock_id
                FROM product_stock AS s
                JOIN warehouse AS w ON w.id = s.warehouse_id
                JOIN product AS p ON p.id = s.product_id
               WHERE s.product_id = cart.product_id AND s.available >= cart.quantity AND p.is_active
               ORDER BY w.priority, s.id
               LIMIT 1) AS choice (stock_id);
        IF v_found < cardinality(v_products) THEN
            EXIT;
        END IF;

        WITH reserved AS (
            INSERT INTO stock_reservation AS r
                (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
                 expires_at, created_at, updated_at)
            SELECT p_order_id, cart.position, p_user_id, cart.stock_id, cart.quantity, 'held', p_key, v_hash,
                   v_asked_at + v_ttl, v_asked_at, v_asked_at
              FROM unnest(v_stock_ids, v_quantities) WITH ORDINALITY AS cart (stock_id, quantity, position)
            ON CONFLICT (user_id, idempotency_key, line) DO NOTHING
            RETURNING r.id, r.line)
        SELECT array_agg(reserved.id ORDER BY reserved.line) INTO v_reservation_ids FROM reserved;
        IF v_reservation_ids IS NULL THEN
            CONTINUE;
        END IF;

        IF cardinality(v_products) = 1 THEN
            UPDATE product_stock AS s
               SET available = s.available - v_quantities[1], held = s.held + v_quantities[1],
                   version = s.version + 1, updated_at = clock_timestamp()
             WHERE s.id = v_stock_ids[1] AND s.available >= v_quantities[1]
            RETURNING s.version INTO v_version;
            IF NOT FOUND THEN
                DELETE FROM stock_reservation AS r WHERE r.id = v_reservation_ids[1];
                EXIT;
            END IF;
            -- Not updated_at: the UPDATE computed it before it waited for the lock.
            v_granted_at := clock_timestamp();
            INSERT INTO stock_transaction
                (product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, version, created_at)
            VALUES (v_stock_ids[1], v_reservation_ids[1], 'reserve', -v_quantities[1], v_quantities[1], 0, v_version,
                    v_granted_at);
        ELSE
            v_granted_at := clock_timestamp();
            WITH cart AS (
                SELECT line.stock_id, line.quantity, line.reservation_id
                  FROM unnest(v_stock_ids, v_quantities, v_reservation_ids)
                    AS line (stock_id, quantity, reservation_id)),
            counted AS (
                UPDATE product_stock AS s
                   SET available = s.available - cart.quantity, held = s.held + cart.quantity,
                       version = s.version + 1, updated_at = v_granted_at
                  FROM cart
                 WHERE s.id = cart.stock_id
                RETURNING s.id, s.version, cart.quantity, cart.reservation_id)
            INSERT INTO stock_transaction
                (product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, version, created_at)
            SELECT counted.id, counted.reservation_id, 'reserve', -counted.quantity, counted.quantity, 0,
                   counted.version, v_granted_at
              FROM counted;
        END IF;

        -- The rows were written before the lock was granted; the lifetime counts from the grant.
        IF v_granted_at - v_asked_at > c_visible_wait THEN
            UPDATE stock_reservation AS r
               SET created_at = v_granted_at, updated_at = v_granted_at, expires_at = v_granted_at + v_ttl
             WHERE r.id = ANY (v_reservation_ids);
        ELSE
            v_granted_at := v_asked_at;
        END IF;
        outcome := 'reserved';
        order_id := p_order_id;
        expires_at := v_granted_at + v_ttl;
        RETURN;
    END LOOP;

    -- Refused: say why, from what is committed now. No lock is asked for.
    SELECT array_agg(coalesce(stock.total, 0) ORDER BY cart.position),
           CASE WHEN bool_or(p.id IS NULL OR stock.total IS NULL) THEN 'unknown_product'
                WHEN NOT bool_and(p.is_active) THEN 'inactive_product'
                WHEN bool_and(coalesce(stock.largest, 0) >= asked.quantity) THEN 'busy'
                ELSE 'insufficient' END
      INTO available, outcome
      FROM unnest(p_product_ids) WITH ORDINALITY AS cart (product_id, position)
      JOIN unnest(v_products, v_quantities) AS asked (product_id, quantity) ON asked.product_id = cart.product_id
      LEFT JOIN product AS p ON p.id = cart.product_id
      LEFT JOIN LATERAL (
          SELECT sum(greatest(s.available, 0))::bigint AS total, max(s.available) AS largest
            FROM product_stock AS s
           WHERE s.product_id = cart.product_id) AS stock ON true;
    IF outcome <> 'insufficient' THEN
        available := NULL;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.reserve_stock_v1(uuid, bigint, text, bigint[], integer[], integer) FROM PUBLIC;
