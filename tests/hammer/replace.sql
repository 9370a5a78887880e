-- A buyer who reserves again: few buyers, so that the same one meets himself.
\set buyer random(1, 5)
SELECT outcome FROM reserve_stock_v1(gen_random_uuid(), :buyer, gen_random_uuid()::text,
    (SELECT array_agg(c.id) FROM (SELECT p.id FROM generate_series(:first, :first + 9) AS p (id) ORDER BY random() LIMIT 3) AS c),
    '{1,1,1}', 60, 'replace');
