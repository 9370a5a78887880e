-- A conditional UPDATE first, one statement for each trip: the row is locked until the COMMIT arrives.
\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
BEGIN;
UPDATE product_stock SET available = available - 1, held = held + 1, version = version + 1, updated_at = clock_timestamp() WHERE product_id = :product AND warehouse_id = 1 AND available >= 1 RETURNING id AS stock_id, version AS version \gset
INSERT INTO stock_reservation (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash, expires_at, created_at, updated_at) VALUES (bench.order_id(), 1, :buyer, :stock_id, 1, 'held', :run || '-' || :client_id || '-' || :n, (:product::bigint << 31) | 1, now() + interval '900 s', now(), now()) RETURNING id AS reservation_id \gset
INSERT INTO stock_transaction (product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, version, created_at) VALUES (:stock_id, :reservation_id, 'reserve', -1, 1, 0, :version, clock_timestamp());
COMMIT;
