-- sales_by_channel_v2: reservations of the last hour.
CREATE FUNCTION public.sales_by_channel_v2()
RETURNS TABLE (channel text, orders bigint)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, public, pg_temp
AS $function$
BEGIN
    RETURN QUERY
        SELECT r.channel, count(*) FROM stock_reservation AS r WHERE r.created_at > now() - interval '1 hour' GROUP BY 1;
END
$function$;
REVOKE ALL ON FUNCTION public.sales_by_channel_v2() FROM PUBLIC;
