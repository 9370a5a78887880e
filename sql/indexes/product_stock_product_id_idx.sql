-- Counters of one product, over its warehouses. The report's index 1. The unique constraint on
-- (product_id, warehouse_id) serves the same reads: kept so that its worth can be measured.
CREATE INDEX CONCURRENTLY product_stock_product_id_idx ON public.product_stock (product_id);
