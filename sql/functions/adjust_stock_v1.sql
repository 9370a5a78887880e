-- adjust_stock_v1: set the free units of a counter to what was counted; one key, one change.
-- Locks:   all counters of the product, in ascending id.
-- Raises:  HR001 an argument out of its range.
-- Returns: outcome applied, replayed, version_conflict (the counter has changed since p_expected_version was read),
--          unknown_product (or warehouse); available and version of that counter. Units that are held or sold stay so.
-- Used by: service/stock, stock feeds. Any psql session may call it.
CREATE FUNCTION public.adjust_stock_v1(
    p_key text, p_product_id bigint, p_warehouse_code text, p_available bigint, p_expected_version bigint,
    OUT outcome text, OUT available bigint, OUT version bigint
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
BEGIN
    IF p_available IS NULL OR p_available NOT BETWEEN 0 AND 1000000000000 OR p_expected_version IS NULL THEN
        RAISE EXCEPTION 'the free units are %; 0 to 10^12 are allowed, with the version that they were counted at',
            p_available USING ERRCODE = 'HR001';
    END IF;
    SELECT changed.outcome, changed.available, changed.version INTO outcome, available, version
      FROM stock_supply_v1(p_key, p_product_id, p_warehouse_code, NULL, p_available, p_expected_version, 'adjust')
        AS changed;
END
$function$;
REVOKE ALL ON FUNCTION public.adjust_stock_v1(text, bigint, text, bigint, bigint) FROM PUBLIC;
