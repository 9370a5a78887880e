-- checkout_settle_v1: do the step of a checkout that the database does alone, and write down the next, in one transaction.
-- Locks:   the order's row of checkout, its reservations, the payment reference, then all counters of its products in
--          ascending id.
-- Raises:  HR001 the late policy is out of its range (confirm_reservation_v1).
-- Returns: the step that is to be done now: confirmed, or voiding where the order can no longer be confirmed; refused
--          (declined) or voided after the release. At another step nothing is done. NULL where there is no such checkout.
-- Used by: service/checkout. Any psql session may call it.
CREATE FUNCTION public.checkout_settle_v1(p_order_id uuid, p_late text DEFAULT 'refuse')
RETURNS text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_checkout checkout;
    v_outcome text;
    v_next text;
BEGIN
    SELECT c.* INTO v_checkout FROM checkout AS c WHERE c.order_id = p_order_id FOR UPDATE;
    v_next := v_checkout.step;
    IF v_checkout.step = 'confirming' THEN
        PERFORM stock_order_state_v1(v_checkout.user_id, p_order_id, v_checkout.lines);
        -- The whole amount was authorised: where one of its lines is lost meanwhile, none is sold.
        SELECT max(r.status) INTO v_outcome FROM stock_reservation AS r
         WHERE r.order_id = p_order_id AND r.line = ANY (v_checkout.lines)
           AND (r.status = 'released' OR r.status = 'expired' AND p_late = 'refuse');
        IF v_outcome IS NULL THEN
            SELECT c.outcome INTO v_outcome
              FROM confirm_reservation_v1(v_checkout.user_id, p_order_id, v_checkout.payment_ref, v_checkout.lines, p_late) AS c;
        END IF;
        v_next := CASE WHEN v_outcome IN ('confirmed', 'already_confirmed') THEN 'confirmed' ELSE 'voiding' END;
    ELSIF v_checkout.step = 'releasing' THEN
        -- Whatever it answers, this checkout holds nothing of the order any more.
        PERFORM release_reservation_v1(v_checkout.user_id, p_order_id, v_checkout.lines);
        v_next := CASE WHEN v_checkout.payment_ref IS NULL THEN 'refused' ELSE 'voided' END;
    END IF;
    UPDATE checkout AS c
       SET step = v_next, updated_at = clock_timestamp(), reason = CASE WHEN v_next = 'voiding' THEN v_outcome ELSE c.reason END
     WHERE c.order_id = p_order_id AND v_next <> v_checkout.step;
    RETURN v_next;
END
$function$;
REVOKE ALL ON FUNCTION public.checkout_settle_v1(uuid, text) FROM PUBLIC;
