-- checkout_start_v1: protect an order's holds for a payment and write down that it is to be paid, in one transaction.
-- Locks:   the order's reservations, then its row of checkout.
-- Raises:  HR001 the window is out of its range (begin_payment_v1).
-- Returns: outcome started, replayed (there is a checkout of this order), confirmed, released, expired or not_found.
--          The amount is what the open lines cost now; it never changes afterwards.
-- Used by: service/checkout. Any psql session may call it.
CREATE FUNCTION public.checkout_start_v1(p_user_id bigint, p_order_id uuid, p_window_s integer, OUT outcome text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
BEGIN
    IF EXISTS (SELECT FROM checkout AS c WHERE c.order_id = p_order_id AND c.user_id = p_user_id) THEN
        outcome := 'replayed';
        RETURN;
    END IF;
    SELECT b.outcome INTO outcome FROM begin_payment_v1(p_user_id, p_order_id, p_window_s) AS b;
    IF outcome <> 'paying' THEN
        RETURN;
    END IF;
    INSERT INTO checkout (order_id, user_id, lines, amount, step)
    SELECT p_order_id, p_user_id, array_agg(r.line ORDER BY r.line), sum(r.quantity * p.price), 'authorising'
      FROM stock_reservation AS r
      JOIN product_stock AS s ON s.id = r.product_stock_id
      JOIN product AS p ON p.id = s.product_id
     WHERE r.order_id = p_order_id AND r.status = 'paying'
    HAVING count(*) > 0
        -- The same call may have been let in while this one waited for the order.
        ON CONFLICT (order_id) DO NOTHING;
    outcome := CASE WHEN FOUND THEN 'started' ELSE 'replayed' END;
END
$function$;
REVOKE ALL ON FUNCTION public.checkout_start_v1(bigint, uuid, integer) FROM PUBLIC;
