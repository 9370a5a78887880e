-- set_stock_mode_v1: choose how the free units of a product are counted, while it is on sale; no unit is lost or made.
-- Locks:   all counters of the product in ascending id, then its rows of stock_unit: reservations under way end first.
-- Raises:  HR001 an argument out of its range.
-- Returns: set, or unknown_product. Called again it spreads the free units anew. Mode counter: one counter for each
--          warehouse. buckets: p_buckets counters for each warehouse, so that fewer buyers wait for one row; a purchase
--          takes any that has enough. units: a row for each free unit, so that nobody waits.
-- Used by: the owner, for a product that is about to be hot.
CREATE FUNCTION public.set_stock_mode_v1(
    p_product_id bigint, p_mode text, p_buckets integer DEFAULT 16, OUT outcome text
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    -- Past this a cart locks more rows than the buckets save it waits.
    c_max_buckets CONSTANT integer := 64;
BEGIN
    IF p_mode IS NULL OR p_mode NOT IN ('counter', 'buckets', 'units') THEN
        RAISE EXCEPTION 'the mode is %; counter, buckets and units are allowed', p_mode USING ERRCODE = 'HR001';
    ELSIF p_buckets IS NULL OR p_buckets NOT BETWEEN 1 AND c_max_buckets THEN
        RAISE EXCEPTION 'the buckets are %; 1 to % are allowed', p_buckets, c_max_buckets USING ERRCODE = 'HR001';
    END IF;
    PERFORM 1 FROM product_stock AS s WHERE s.product_id = p_product_id ORDER BY s.id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        outcome := 'unknown_product';
        RETURN;
    END IF;
    UPDATE product AS p SET stock_mode = p_mode WHERE p.id = p_product_id;
    PERFORM stock_gather_v1(p_product_id);
    IF p_mode = 'buckets' THEN
        INSERT INTO product_stock AS s (product_id, warehouse_id, bucket, available, held, sold, version, updated_at)
        SELECT main.product_id, main.warehouse_id, bucket.number, 0, 0, 0, 0, clock_timestamp()
          FROM product_stock AS main CROSS JOIN generate_series(1, p_buckets - 1) AS bucket (number)
         WHERE main.product_id = p_product_id AND main.bucket = 0
         ORDER BY main.warehouse_id, bucket.number
            ON CONFLICT (product_id, warehouse_id, bucket) DO NOTHING;
    END IF;
    PERFORM stock_spread_v1(p_product_id, p_buckets);
    outcome := 'set';
END
$function$;
REVOKE ALL ON FUNCTION public.set_stock_mode_v1(bigint, text, integer) FROM PUBLIC;
