-- A cart, its payment and its sale; where nothing was reserved the order is not found.
\set buyer random(1, 1000)
SELECT order_id FROM reserve_stock_v1(gen_random_uuid(), :buyer, gen_random_uuid()::text,
    (SELECT array_agg(c.id) FROM (SELECT p.id FROM generate_series(:first, :first + 9) AS p (id) ORDER BY random() LIMIT 5) AS c),
    '{1,1,1,1,1}', 60) \gset
SELECT outcome FROM begin_payment_v1(:buyer, nullif(':order_id', '')::uuid, 300);
SELECT outcome FROM confirm_reservation_v1(:buyer, nullif(':order_id', '')::uuid, gen_random_uuid()::text);
