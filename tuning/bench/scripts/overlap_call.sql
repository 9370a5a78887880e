-- A single request out of any of the prepared batches.
\set batch random(1, :batches)
\set place random(1, :size)
SELECT r.outcome FROM bench.inp, LATERAL reserve_stock_v1(o[:place], u[:place], k[:place], ARRAY[p[:place]], ARRAY[q[:place]], 900) AS r WHERE id = :batch;
