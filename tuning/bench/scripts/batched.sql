-- One batch, from arrays that were made before the clock started; each is used once.
SELECT count(*) FROM bench.inp, LATERAL reserve_stock_many_v1(o, u, k, p, q, 900) AS r WHERE id = (SELECT nextval('bench.inp_seq')) AND r.outcome = 'reserved';
