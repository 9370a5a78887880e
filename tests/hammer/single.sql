\set buyer random(1, 1000)
\set product random(0, :last)
SELECT outcome FROM reserve_stock_v1(gen_random_uuid(), :buyer, gen_random_uuid()::text,
    ARRAY[:first + :product]::bigint[], '{1}', 600);
