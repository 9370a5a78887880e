-- stock_reclaim_v1: expire due holds of these products, a bounded number in one call.
-- Locks:   the due reservations that nobody else has locked. The caller holds the products' counters.
-- Returns: how many reservations were expired.
-- Used by: stock_take and stock_decide, where the units of due holds are needed; granted to nobody.
CREATE FUNCTION public.stock_reclaim_v1(p_product_ids bigint[], p_limit integer)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_due bigint[];
    -- A variable, because the index cannot serve a function that changes while it is read.
    v_now CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT array_agg(due.id) INTO v_due
      FROM (SELECT r.id
              FROM stock_reservation AS r
              JOIN product_stock AS s ON s.id = r.product_stock_id
             WHERE r.status IN ('held', 'paying') AND r.expires_at <= v_now
               AND s.product_id = ANY (p_product_ids)
             ORDER BY r.expires_at
             LIMIT p_limit
               FOR UPDATE OF r SKIP LOCKED) AS due;
    IF v_due IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM stock_free_v1(v_due, 'expired', 'expire');
    RETURN cardinality(v_due);
END
$function$;
REVOKE ALL ON FUNCTION public.stock_reclaim_v1(bigint[], integer) FROM PUBLIC;
