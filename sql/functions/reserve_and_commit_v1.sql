-- reserve_and_commit_v1: reserve_stock_v1 in a transaction of its own that lets go of the counter before it is on disk, and
--          answers when it is.
-- Locks:   those of reserve_stock_v1, but not while the log is flushed: what waits for the counter need not wait for the
--          disk, and many commits share one flush (docs/adr/0018).
-- Raises:  HR001 an argument out of its range. 2D000 it was called in a transaction block: call reserve_stock_v1 there.
--          57014 (statement_timeout) may come after the reservation was made: the same key tells.
-- Returns: as reserve_stock_v1; and when reserved or replayed, 1 more than the end of its log, in bytes: a replica that has
--          replayed so much shows it (docs/adr/0023).
-- Used by: service/stock/strategies/function.py. CALL from any session in autocommit.
CREATE PROCEDURE public.reserve_and_commit_v1(
    p_order_id uuid,
    p_user_id bigint,
    p_key text,
    p_product_ids bigint[],
    p_quantities integer[],
    p_ttl_s integer,
    p_mode text DEFAULT 'new',
    INOUT outcome text DEFAULT NULL,
    INOUT order_id uuid DEFAULT NULL,
    INOUT expires_at timestamptz DEFAULT NULL,
    INOUT available bigint[] DEFAULT NULL,
    INOUT log_position bigint DEFAULT NULL
)
LANGUAGE plpgsql
-- With the caller's rights and without SET: PostgreSQL allows no COMMIT otherwise. So every name has its schema.
AS $procedure$
DECLARE
    v_setting text;
    v_lsn pg_catalog.pg_lsn;
BEGIN
    v_setting := pg_catalog.set_config('synchronous_commit', 'off', true);
    SELECT r.outcome, r.order_id, r.expires_at, r.available INTO outcome, order_id, expires_at, available
      FROM public.reserve_stock_v1(p_order_id, p_user_id, p_key, p_product_ids, p_quantities, p_ttl_s, p_mode) AS r;
    -- A refusal may be lost with what it tidied up: nobody was promised anything.
    IF outcome IN ('reserved', 'replayed') THEN
        COMMIT;
        -- A second, empty transaction that commits as the session is set: the log is flushed in order, so the first is on
        -- disk with it, and on a synchronous standby where there is one. A replay may be of a call that still waits.
        v_lsn := pg_catalog.pg_logical_emit_message(true, 'hotrow', '');
        log_position := pg_catalog.pg_wal_lsn_diff(v_lsn, '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8 + 1;
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE public.reserve_and_commit_v1(
    uuid, bigint, text, bigint[], integer[], integer, text, text, uuid, timestamptz, bigint[], bigint
) FROM PUBLIC;
