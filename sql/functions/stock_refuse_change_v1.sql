-- stock_refuse_change_v1: the trigger that keeps the ledger as it was written.
-- Locks:   none.
-- Raises:  HR002 for every UPDATE and DELETE of a ledger row.
-- Used by: trigger stock_transaction_is_final on stock_transaction.
CREATE FUNCTION public.stock_refuse_change_v1()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION 'ledger rows are final: % of row % refused; write a row that corrects it', TG_OP, OLD.id
        USING ERRCODE = 'HR002';
END
$function$;
REVOKE ALL ON FUNCTION public.stock_refuse_change_v1() FROM PUBLIC;
