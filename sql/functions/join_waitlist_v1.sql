-- join_waitlist_v1: wait for units of a product; they are held for the buyer when they become free.
-- Locks:   the buyer's place, and all counters of the product where units are free already.
-- Raises:  HR001 the quantity is out of its range.
-- Returns: outcome waiting, already_waiting (the place is kept, whatever the quantity), offered (the units were free
--          and are held now), user_limit, unknown_product or inactive_product; place, 1 for the first.
-- Used by: service/stock. Any psql session may call it.
CREATE FUNCTION public.join_waitlist_v1(
    p_user_id bigint, p_product_id bigint, p_quantity integer, OUT outcome text, OUT place bigint
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    -- Added to a counter's id it names an advisory lock: callers of one counter queue there (docs/adr/0014).
    c_queue CONSTANT bigint := 5217461234567168000;
    v_is_active boolean;
    v_limit integer;
BEGIN
    IF p_user_id IS NULL OR p_quantity IS NULL OR p_quantity NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'the quantity is %; 1 to 10000 are allowed', p_quantity USING ERRCODE = 'HR001';
    END IF;
    SELECT p.is_active, p.max_per_user INTO v_is_active, v_limit FROM product AS p WHERE p.id = p_product_id;
    IF NOT coalesce(v_is_active, false) THEN
        outcome := CASE WHEN v_is_active IS NULL THEN 'unknown_product' ELSE 'inactive_product' END;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(c_queue + own.id)
       FROM (SELECT s.id FROM product_stock AS s WHERE s.product_id = p_product_id ORDER BY s.id) AS own;
    -- Under the counters' locks, so that no unit becomes free between the look and the place.
    PERFORM 1 FROM product_stock AS s WHERE s.product_id = p_product_id ORDER BY s.id FOR NO KEY UPDATE;
    IF p_quantity + coalesce((SELECT t.units FROM stock_user_total AS t
                               WHERE t.product_id = p_product_id AND t.user_id = p_user_id), 0) > v_limit
       AND NOT EXISTS (SELECT FROM stock_waitlist AS w WHERE w.product_id = p_product_id AND w.user_id = p_user_id) THEN
        outcome := 'user_limit';
        RETURN;
    END IF;
    INSERT INTO stock_waitlist (product_id, user_id, quantity, created_at)
    VALUES (p_product_id, p_user_id, p_quantity, clock_timestamp())
        ON CONFLICT (product_id, user_id) DO NOTHING;
    outcome := CASE WHEN FOUND THEN 'waiting' ELSE 'already_waiting' END;
    PERFORM stock_offer_v1(ARRAY[p_product_id]);
    SELECT count(*) INTO place FROM stock_waitlist AS w
     WHERE w.product_id = p_product_id
       AND w.id <= (SELECT own.id FROM stock_waitlist AS own
                     WHERE own.product_id = p_product_id AND own.user_id = p_user_id);
    IF place = 0 THEN
        outcome := 'offered';
        place := NULL;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.join_waitlist_v1(bigint, bigint, integer) FROM PUBLIC;
