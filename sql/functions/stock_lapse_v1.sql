-- stock_lapse_v1: expire buyers' own due holds of products that have a limit, so that they no longer count to it.
-- Locks:   those reservations that nobody else has locked. The caller holds the products' counters.
-- Used by: the functions that judge a limit under the counters' locks; granted to nobody.
CREATE FUNCTION public.stock_lapse_v1(p_user_ids bigint[], p_product_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_due bigint[];
BEGIN
    SELECT array_agg(due.id) INTO v_due
      FROM (SELECT r.id
              FROM stock_reservation AS r
              JOIN product_stock AS s ON s.id = r.product_stock_id
              JOIN product AS p ON p.id = s.product_id
             WHERE r.user_id = ANY (p_user_ids) AND s.product_id = ANY (p_product_ids) AND p.max_per_user IS NOT NULL
               AND r.status IN ('held', 'paying') AND r.expires_at <= clock_timestamp()
               FOR UPDATE OF r SKIP LOCKED) AS due;
    IF v_due IS NOT NULL THEN
        PERFORM stock_free_v1(v_due, 'expired', 'expire');
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_lapse_v1(bigint[], bigint[]) FROM PUBLIC;
