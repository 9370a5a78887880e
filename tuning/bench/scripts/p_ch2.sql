\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
CALL p_ch2(bench.order_id(), :buyer, :run || '-' || :client_id || '-' || :n, ARRAY[:product]::bigint[], ARRAY[1]::integer[], 900);
