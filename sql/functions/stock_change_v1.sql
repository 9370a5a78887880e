-- stock_change_v1: change the counters of one product_stock row and write the ledger row that tells of it.
-- Locks:   that row, until the commit. A caller that changes several holds them all already, taken in ascending id.
-- Raises:  23514 a counter would become negative: a broken invariant, never an expected outcome.
-- Returns: the id of the ledger row; p_transaction_id where it was chosen before.
-- Used by: the other functions of this folder; granted to nobody.
CREATE FUNCTION public.stock_change_v1(
    p_stock_id bigint,
    p_kind text,
    p_reservation_id bigint,
    p_available bigint,
    p_held bigint,
    p_sold bigint,
    p_transaction_id bigint DEFAULT NULL,
    p_feed_key text DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_id bigint := coalesce(p_transaction_id, nextval('public.stock_transaction_id_seq'));
    v_version bigint;
BEGIN
    UPDATE product_stock AS s
       SET available = s.available + p_available, held = s.held + p_held, sold = s.sold + p_sold,
           version = s.version + 1, updated_at = clock_timestamp()
     WHERE s.id = p_stock_id
    RETURNING s.version INTO STRICT v_version;
    INSERT INTO stock_transaction
        (id, product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, version, feed_key,
         created_at)
    VALUES (v_id, p_stock_id, p_reservation_id, p_kind, p_available, p_held, p_sold, v_version, p_feed_key,
            clock_timestamp());
    RETURN v_id;
END
$function$;
REVOKE ALL ON FUNCTION public.stock_change_v1(bigint, text, bigint, bigint, bigint, bigint, bigint, text) FROM PUBLIC;
