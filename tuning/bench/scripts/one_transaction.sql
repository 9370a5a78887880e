-- The same function in one transaction of its own: the row stays locked until the log is flushed.
\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
SELECT outcome FROM reserve_stock_v1(bench.order_id(), :buyer, :run || '-' || :client_id || '-' || :n, ARRAY[:product]::bigint[], ARRAY[1]::integer[], 900);
