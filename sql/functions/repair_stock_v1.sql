-- repair_stock_v1: set counters that drifted to what their reservations and their ledger say; the repair is in the ledger.
-- Locks:   the drifted counters, in ascending id, and so every reservation of them that is under way.
-- Returns: the counters that were repaired.
-- Used by: `hotrow verify --repair`; the owner alone may call it.
CREATE FUNCTION public.repair_stock_v1()
RETURNS SETOF bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_stock_id bigint;
    v_drift record;
BEGIN
    PERFORM 1 FROM product_stock AS s WHERE s.id IN (SELECT c.stock_id FROM check_stock_v1() AS c)
      ORDER BY s.id FOR NO KEY UPDATE;
    -- Looked at again under the locks: what was under way before is committed now.
    FOR v_drift IN SELECT c.* FROM check_stock_v1() AS c ORDER BY c.stock_id LOOP
        -- The ledger says what was stocked and sold; open reservations say what is held. The ledger row below records
        -- how far the ledger itself had to move, so that the sums agree again.
        INSERT INTO stock_transaction
            (product_stock_id, kind, delta_available, delta_held, delta_sold, version, created_at)
        VALUES (v_drift.stock_id, 'repair',
                v_drift.ledger_held - v_drift.open_units, v_drift.open_units - v_drift.ledger_held, 0,
                v_drift.changes + 1, clock_timestamp());
        UPDATE product_stock AS s
           SET available = v_drift.ledger_available + v_drift.ledger_held - v_drift.open_units,
               held = v_drift.open_units, sold = v_drift.ledger_sold, version = v_drift.changes + 1,
               updated_at = clock_timestamp()
         WHERE s.id = v_drift.stock_id;
        RETURN NEXT v_drift.stock_id;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION public.repair_stock_v1() FROM PUBLIC;
