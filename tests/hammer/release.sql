-- A cart that is given back, first one line, then the rest.
\set buyer random(1, 1000)
\set line random(1, 5)
SELECT order_id FROM reserve_stock_v1(gen_random_uuid(), :buyer, gen_random_uuid()::text,
    (SELECT array_agg(c.id) FROM (SELECT p.id FROM generate_series(:first, :first + 9) AS p (id) ORDER BY random() LIMIT 5) AS c),
    '{1,2,1,1,1}', 60) \gset
SELECT outcome FROM release_reservation_v1(:buyer, nullif(':order_id', '')::uuid, ARRAY[:line]::smallint[]);
SELECT outcome FROM release_reservation_v1(:buyer, nullif(':order_id', '')::uuid);
