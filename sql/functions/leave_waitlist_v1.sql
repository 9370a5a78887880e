-- leave_waitlist_v1: give up a place; those behind may be served at once.
-- Locks:   all counters of the product, in ascending id, then the place.
-- Returns: outcome left or not_found.
-- Used by: service/stock. Any psql session may call it.
CREATE FUNCTION public.leave_waitlist_v1(p_user_id bigint, p_product_id bigint, OUT outcome text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
BEGIN
    PERFORM 1 FROM product_stock AS s WHERE s.product_id = p_product_id ORDER BY s.id FOR NO KEY UPDATE;
    DELETE FROM stock_waitlist AS w WHERE w.product_id = p_product_id AND w.user_id = p_user_id;
    outcome := CASE WHEN FOUND THEN 'left' ELSE 'not_found' END;
    PERFORM stock_offer_v1(ARRAY[p_product_id]);
END
$function$;
REVOKE ALL ON FUNCTION public.leave_waitlist_v1(bigint, bigint) FROM PUBLIC;
