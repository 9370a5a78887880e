-- checkout_record_v1: write down what the payment provider answered, or that it could not be asked.
-- Locks:   the order's row of checkout.
-- Raises:  HR001 the answer is none of these: authorised (with p_payment_ref) and declined, of an authorisation; voided,
--          of a void; failed (at whatever step: tried again after a pause that grows).
-- Returns: the step that is to be done now; an answer to another step than the present one changes nothing.
--          NULL where there is no such checkout.
-- Used by: service/checkout. Any psql session may call it.
CREATE FUNCTION public.checkout_record_v1(
    p_order_id uuid, p_answer text, p_payment_ref text DEFAULT NULL, p_error text DEFAULT NULL
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    -- A buyer who looks at the order sees a provider that came back within a minute.
    c_max_pause_s CONSTANT integer := 60;
    c_error_chars CONSTANT integer := 1000;
    v_now CONSTANT timestamptz := clock_timestamp();
    v_step text;
    v_next text;
BEGIN
    IF p_answer IS NULL OR p_answer NOT IN ('authorised', 'declined', 'voided', 'failed') THEN
        RAISE EXCEPTION 'the answer is %; authorised, declined, voided and failed are allowed', p_answer
            USING ERRCODE = 'HR001';
    ELSIF p_answer = 'authorised' AND (p_payment_ref IS NULL OR length(p_payment_ref) NOT BETWEEN 1 AND 255) THEN
        RAISE EXCEPTION 'the payment reference must have 1 to 255 characters' USING ERRCODE = 'HR001';
    END IF;
    SELECT c.step INTO v_step FROM checkout AS c WHERE c.order_id = p_order_id FOR UPDATE;
    IF p_answer = 'failed' THEN
        -- Half of a pause is chance, so that what failed together does not come back together.
        UPDATE checkout AS c
           SET last_error = left(p_error, c_error_chars), updated_at = v_now,
               next_attempt_at = v_now + make_interval(secs =>
                   least(c_max_pause_s, 2.0 ^ least(c.attempts, 16)) * (0.5 + random() / 2))
         WHERE c.order_id = p_order_id AND c.step IN ('authorising', 'confirming', 'voiding', 'releasing');
        RETURN v_step;
    END IF;
    v_next := CASE WHEN v_step = 'authorising' AND p_answer = 'authorised' THEN 'confirming'
                   WHEN v_step = 'authorising' AND p_answer = 'declined' THEN 'releasing'
                   WHEN v_step = 'voiding' AND p_answer = 'voided' THEN 'releasing'
                   ELSE v_step END;
    UPDATE checkout AS c
       SET step = v_next, updated_at = v_now,
           payment_ref = CASE WHEN p_answer = 'authorised' THEN p_payment_ref ELSE c.payment_ref END,
           reason = CASE WHEN p_answer = 'declined' THEN 'declined' ELSE c.reason END
     WHERE c.order_id = p_order_id AND v_next <> v_step;
    RETURN v_next;
END
$function$;
REVOKE ALL ON FUNCTION public.checkout_record_v1(uuid, text, text, text) FROM PUBLIC;
