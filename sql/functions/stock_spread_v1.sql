-- stock_spread_v1: spread the free units of bucket 0 as the product's mode wants it: over its buckets, or into rows.
-- Locks:   none of its own. The caller holds the product's counters.
-- Raises:  HR001 more units than may be rows.
-- Used by: set_stock_mode and stock_supply; granted to nobody.
CREATE FUNCTION public.stock_spread_v1(p_product_id bigint, p_buckets integer DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    -- Free rows are counted to show what is available.
    c_max_units CONSTANT bigint := 1000000;
    v_mode text;
    v_main record;
    v_bucket record;
    v_share bigint;
BEGIN
    SELECT p.stock_mode INTO v_mode FROM product AS p WHERE p.id = p_product_id;
    FOR v_main IN
        SELECT s.id, s.available, s.warehouse_id,
               coalesce(p_buckets, (SELECT 1 + max(o.bucket) FROM product_stock AS o
                                     WHERE o.product_id = s.product_id AND o.warehouse_id = s.warehouse_id)) AS buckets
          FROM product_stock AS s
         WHERE s.product_id = p_product_id AND s.bucket = 0 AND s.available > 0 ORDER BY s.id
    LOOP
        IF v_mode = 'units' THEN
            IF v_main.available > c_max_units THEN
                RAISE EXCEPTION '% free units are too many for rows; % are allowed: use buckets',
                    v_main.available, c_max_units USING ERRCODE = 'HR001';
            END IF;
            INSERT INTO stock_unit (product_stock_id) SELECT v_main.id FROM generate_series(1, v_main.available);
            PERFORM stock_change_v1(v_main.id, 'pool', NULL, -v_main.available, 0, 0);
            UPDATE product_stock AS s SET pooled = s.pooled + v_main.available WHERE s.id = v_main.id;
        ELSIF v_mode = 'buckets' THEN
            FOR v_bucket IN
                SELECT s.id, s.bucket FROM product_stock AS s
                 WHERE s.product_id = p_product_id AND s.warehouse_id = v_main.warehouse_id
                   AND s.bucket BETWEEN 1 AND v_main.buckets - 1
                 ORDER BY s.id
            LOOP
                -- The first buckets get the units that do not divide evenly.
                v_share := (v_main.available + v_main.buckets - 1 - v_bucket.bucket) / v_main.buckets;
                CONTINUE WHEN v_share = 0;
                PERFORM stock_change_v1(v_main.id, 'move', NULL, -v_share, 0, 0);
                PERFORM stock_change_v1(v_bucket.id, 'move', NULL, v_share, 0, 0);
            END LOOP;
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_spread_v1(bigint, integer) FROM PUBLIC;
