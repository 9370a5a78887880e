-- The ledger of one counter in time order. The report's index 4.
CREATE INDEX CONCURRENTLY stock_transaction_product_stock_id_created_at_idx
    ON public.stock_transaction (product_stock_id, created_at);
