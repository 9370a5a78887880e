-- confirm_reservation_v1: sell the units of an order, or of some of its lines, against a payment.
-- Locks:   those reservations, the payment reference, then all counters of their products in ascending id.
-- Raises:  HR001 the payment reference or the late policy is out of its range.
-- Returns: outcome confirmed, already_confirmed (same reference), duplicate_payment (the order was paid with another
--          reference), payment_ref_in_use (by another order), expired, released or not_found. p_late says what becomes
--          of a hold that is over: refuse, or reacquire its units where they are still free.
-- Used by: service/stock. Any psql session may call it.
CREATE FUNCTION public.confirm_reservation_v1(
    p_user_id bigint, p_order_id uuid, p_payment_ref text, p_lines smallint[] DEFAULT NULL,
    p_late text DEFAULT 'refuse', OUT outcome text
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_line record;
    v_refs text[];
    v_payer uuid;
BEGIN
    IF p_payment_ref IS NULL OR length(p_payment_ref) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'the payment reference must have 1 to 255 characters' USING ERRCODE = 'HR001';
    ELSIF p_late IS NULL OR p_late NOT IN ('refuse', 'reacquire') THEN
        RAISE EXCEPTION 'the late policy is %; refuse and reacquire are allowed', p_late USING ERRCODE = 'HR001';
    END IF;
    outcome := stock_order_state_v1(p_user_id, p_order_id, p_lines);
    IF outcome IN ('released', 'not_found') OR outcome = 'expired' AND p_late = 'refuse' THEN
        RETURN;
    ELSIF outcome = 'confirmed' THEN
        SELECT array_agg(DISTINCT r.payment_ref) INTO v_refs FROM stock_reservation AS r
         WHERE r.order_id = p_order_id AND r.status = 'confirmed' AND (p_lines IS NULL OR r.line = ANY (p_lines));
        outcome := CASE WHEN v_refs = ARRAY[p_payment_ref] THEN 'already_confirmed' ELSE 'duplicate_payment' END;
        RETURN;
    END IF;

    INSERT INTO stock_payment (payment_ref, order_id) VALUES (p_payment_ref, p_order_id)
        ON CONFLICT (payment_ref) DO NOTHING;
    SELECT p.order_id INTO v_payer FROM stock_payment AS p WHERE p.payment_ref = p_payment_ref;
    IF v_payer <> p_order_id THEN
        outcome := 'payment_ref_in_use';
        RETURN;
    END IF;

    PERFORM 1 FROM product_stock AS s
      WHERE s.product_id IN (SELECT o.product_id FROM stock_reservation AS r
                               JOIN product_stock AS o ON o.id = r.product_stock_id WHERE r.order_id = p_order_id)
      ORDER BY s.id FOR NO KEY UPDATE;
    IF NOT stock_reacquire_v1(p_order_id, p_lines) THEN
        DELETE FROM stock_payment AS p
         WHERE p.payment_ref = p_payment_ref
           AND NOT EXISTS (SELECT FROM stock_reservation AS r WHERE r.payment_ref = p_payment_ref);
        outcome := 'expired';
        RETURN;
    END IF;
    FOR v_line IN
        SELECT r.id, r.product_stock_id, r.quantity, CASE WHEN r.is_pooled THEN 0 ELSE r.quantity END AS held
          FROM stock_reservation AS r
         WHERE r.order_id = p_order_id AND r.status IN ('held', 'paying')
           AND (p_lines IS NULL OR r.line = ANY (p_lines))
         ORDER BY r.product_stock_id, r.id
    LOOP
        PERFORM stock_change_v1(v_line.product_stock_id, 'confirm', v_line.id, 0, -v_line.held, v_line.quantity);
        UPDATE stock_reservation AS r
           SET status = 'confirmed', payment_ref = p_payment_ref, updated_at = clock_timestamp()
         WHERE r.id = v_line.id;
    END LOOP;
    INSERT INTO stock_outbox (event, order_id, payload)
    VALUES ('confirmed', p_order_id, jsonb_build_object('user_id', p_user_id, 'payment_ref', p_payment_ref));
    outcome := 'confirmed';
END
$function$;
REVOKE ALL ON FUNCTION public.confirm_reservation_v1(bigint, uuid, text, smallint[], text) FROM PUBLIC;
