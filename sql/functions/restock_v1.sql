-- restock_v1: add units of a product to a warehouse, or take some away; one key, one change.
-- Locks:   all counters of the product, in ascending id.
-- Raises:  HR001 an argument out of its range.
-- Returns: outcome applied, replayed, below_committed (fewer units are free than should go), unknown_product (or
--          warehouse); available and version of that counter.
-- Used by: service/stock, stock feeds. Any psql session may call it.
CREATE FUNCTION public.restock_v1(
    p_key text, p_product_id bigint, p_warehouse_code text, p_delta bigint,
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
    IF p_delta IS NULL OR p_delta = 0 OR abs(p_delta) > 1000000000000 THEN
        RAISE EXCEPTION 'the delta is %; it must change something, and by at most 10^12', p_delta USING ERRCODE = 'HR001';
    END IF;
    SELECT changed.outcome, changed.available, changed.version INTO outcome, available, version
      FROM stock_supply_v1(p_key, p_product_id, p_warehouse_code, p_delta, NULL, NULL, 'restock') AS changed;
END
$function$;
REVOKE ALL ON FUNCTION public.restock_v1(text, bigint, text, bigint) FROM PUBLIC;
