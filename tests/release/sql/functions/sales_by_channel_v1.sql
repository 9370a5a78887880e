-- sales_by_channel_v1: reservations of the last hour.
CREATE FUNCTION public.sales_by_channel_v1()
RETURNS TABLE (channel text, orders bigint)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, public, pg_temp
AS $function$
BEGIN
    RETURN QUERY
        SELECT 'all'::text, count(*) FROM stock_reservation AS r WHERE r.created_at > now() - interval '1 hour';
END
$function$;
REVOKE ALL ON FUNCTION public.sales_by_channel_v1() FROM PUBLIC;
