-- Five of ten products in any order; one hold in three is soon due.
\set buyer random(1, 1000)
\set ttl 1 + 600 * (random(0, 2) / 2)
SELECT outcome FROM reserve_stock_v1(gen_random_uuid(), :buyer, gen_random_uuid()::text,
    (SELECT array_agg(c.id) FROM (SELECT p.id FROM generate_series(:first, :first + 9) AS p (id) ORDER BY random() LIMIT 5) AS c),
    '{1,1,2,1,1}', :ttl);
