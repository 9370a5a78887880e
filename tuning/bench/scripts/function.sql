-- One call that lets go of the row before the flush; buckets, units and the sold-out product take the same call.
\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
CALL reserve_and_commit_v1(bench.order_id(), :buyer, :run || '-' || :client_id || '-' || :n, ARRAY[:product]::bigint[], ARRAY[1]::integer[], 900);
