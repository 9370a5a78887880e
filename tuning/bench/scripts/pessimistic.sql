-- SELECT FOR UPDATE, one statement for each trip, as the report's service does; the unique index checks the key.
\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
BEGIN;
SELECT id AS stock_id, version + 1 AS version FROM product_stock WHERE product_id = :product AND warehouse_id = 1 AND available >= 1 FOR UPDATE \gset
INSERT INTO stock_reservation (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash, expires_at, created_at, updated_at) VALUES (bench.order_id(), 1, :buyer, :stock_id, 1, 'held', :run || '-' || :client_id || '-' || :n, (:product::bigint << 31) | 1, now() + interval '900 s', now(), now()) RETURNING id AS reservation_id \gset
INSERT INTO stock_transaction (product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, version, created_at) VALUES (:stock_id, :reservation_id, 'reserve', -1, 1, 0, :version, clock_timestamp());
UPDATE product_stock SET available = available - 1, held = held + 1, version = :version, updated_at = clock_timestamp() WHERE id = :stock_id;
COMMIT;
