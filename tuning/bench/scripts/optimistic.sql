-- A version is read and written back if it is still the same; three tries, then the buyer is told to come again.
\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
\set taken 0
BEGIN;
SELECT id AS stock_id, version AS seen FROM product_stock WHERE product_id = :product AND warehouse_id = 1 AND available >= 1 \gset
UPDATE product_stock SET available = available - 1, held = held + 1, version = version + 1, updated_at = clock_timestamp() WHERE id = :stock_id AND version = :seen RETURNING 1 AS taken, version AS version \aset
\if :taken = 0
SELECT id AS stock_id, version AS seen FROM product_stock WHERE product_id = :product AND warehouse_id = 1 AND available >= 1 \gset
UPDATE product_stock SET available = available - 1, held = held + 1, version = version + 1, updated_at = clock_timestamp() WHERE id = :stock_id AND version = :seen RETURNING 1 AS taken, version AS version \aset
\endif
\if :taken = 0
SELECT id AS stock_id, version AS seen FROM product_stock WHERE product_id = :product AND warehouse_id = 1 AND available >= 1 \gset
UPDATE product_stock SET available = available - 1, held = held + 1, version = version + 1, updated_at = clock_timestamp() WHERE id = :stock_id AND version = :seen RETURNING 1 AS taken, version AS version \aset
\endif
\if :taken = 1
INSERT INTO stock_reservation (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash, expires_at, created_at, updated_at) VALUES (bench.order_id(), 1, :buyer, :stock_id, 1, 'held', :run || '-' || :client_id || '-' || :n, (:product::bigint << 31) | 1, now() + interval '900 s', now(), now()) RETURNING id AS reservation_id \gset
INSERT INTO stock_transaction (product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, version, created_at) VALUES (:stock_id, :reservation_id, 'reserve', -1, 1, 0, :version, clock_timestamp());
\endif
COMMIT;
