-- 1,000,000 products, 5,000,000 reservations with their ledger, 100,000 buyers; the last 15 minutes' orders are held.
-- Indexes are built when the rows are there: an index that is not ready is not written to, and REINDEX makes it ready.
SET session_replication_role = replica;
SET maintenance_work_mem = '512MB';
TRUNCATE account_user, warehouse, product_category, product, product_stock, stock_reservation, stock_transaction,
         stock_waitlist, stock_outbox, checkout RESTART IDENTITY CASCADE;
UPDATE pg_index SET indisready = false
 WHERE indrelid IN ('product'::regclass, 'product_stock'::regclass, 'stock_reservation'::regclass,
                    'stock_transaction'::regclass);

INSERT INTO account_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
SELECT '!', false, 'user' || n, '', '', '', false, true, timestamptz '2025-01-01' FROM generate_series(1, 100000) AS n;
INSERT INTO warehouse (code, priority) VALUES ('MAIN', 0), ('RESERVE', 1);
INSERT INTO product_category (name) SELECT 'category ' || n FROM generate_series(1, 10) AS n;
INSERT INTO product (sku, name, price, category_id, is_active, max_per_user)
SELECT 'SKU-' || n, 'Product ' || n, 5, 1 + n % 10, n % 50 <> 0, CASE WHEN n % 100 = 1 THEN 5 END
  FROM generate_series(1, 1000000) AS n;
INSERT INTO product_stock (product_id, warehouse_id, available, version)
SELECT n, 1, 100, 1 FROM generate_series(1, 1000000) AS n;
INSERT INTO stock_reservation (order_id, line, user_id, product_stock_id, quantity, status, idempotency_key,
                               request_hash, transaction_id, expires_at, created_at, updated_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 1 + (n * 7919) % 100000, 1 + (n * 104729) % 1000000, 1,
       CASE WHEN n > 4954800 THEN 'held' WHEN n % 3 = 0 THEN 'expired' ELSE 'confirmed' END, 'key-' || n, n, n,
       made.at + interval '15 min', made.at, made.at
  FROM generate_series(1::bigint, 5000000) AS n
 CROSS JOIN LATERAL (SELECT timestamptz '2025-01-01' + n * interval '20 ms') AS made (at);
INSERT INTO stock_transaction (product_stock_id, reservation_id, kind, delta_available, delta_held, delta_sold, version,
                               created_at)
SELECT 1 + (n * 104729) % 1000000, n, 'reserve', -1, 1, 0, 1 + n / 1000000,
       timestamptz '2025-01-01' + n * interval '20 ms' FROM generate_series(1::bigint, 5000000) AS n;
INSERT INTO stock_waitlist (product_id, user_id, quantity)
SELECT 1 + n % 400, 1 + n / 400, 1 FROM generate_series(0, 19999) AS n;
INSERT INTO stock_outbox (event, product_id, payload, created_at, next_attempt_at, published_at, delivered_at, dead_at)
SELECT 'sold_out', n, '{}', made.at, made.at, made.at, CASE WHEN n <= 199000 THEN made.at END,
       CASE WHEN n BETWEEN 199001 AND 199010 THEN made.at END
  FROM generate_series(1, 200000) AS n
 CROSS JOIN LATERAL (SELECT timestamptz '2025-01-01' + n * interval '500 ms') AS made (at);
INSERT INTO checkout (order_id, user_id, lines, amount, step, next_attempt_at)
SELECT lpad(to_hex(n * 20), 32, '0')::uuid, 1 + (n * 20 * 7919) % 100000, '{1}', 5,
       CASE WHEN n > 249900 THEN 'authorising' ELSE 'confirmed' END, timestamptz '2025-01-01' + n * interval '400 ms'
  FROM generate_series(1::bigint, 250000) AS n;
