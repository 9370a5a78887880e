-- Any of the prepared batches, again and again: the same keys and products from several clients at a time.
\set batch random(1, :batches)
SELECT count(*) FROM bench.inp, LATERAL reserve_stock_many_v1(o, u, k, p, q, 900) AS r WHERE id = :batch AND r.outcome = 'reserved';
