-- As reserve_and_commit_v1 is called, of a procedure that commits as it does and writes no row.
\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
CALL bench.commit_alone(bench.order_id(), :buyer, :run || '-' || :client_id || '-' || :n, ARRAY[:product]::bigint[], ARRAY[1]::integer[], 900);
