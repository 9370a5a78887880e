-- Skewed, without chance: the same rows everywhere. About 1.2 million.
INSERT INTO desk.tenant SELECT n, 'tenant ' || n, (ARRAY['free', 'team', 'firm'])[1 + n % 3] FROM generate_series(1, 200) AS n;
INSERT INTO desk.country SELECT chr(65 + n / 26) || chr(65 + n % 26), 'country ' || n, 'region ' || n % 7 FROM generate_series(0, 199) AS n;
INSERT INTO desk.customer
SELECT n, 1 + floor(200 * power((n * 7919 % 60000) / 60000.0, 3))::int, 'User' || n || '@Example' || n % 50 || '.org',
       'Person ' || md5(n::text), chr(65 + n % 5) || chr(65 + n % 7), timestamptz '2023-01-01' + (n * 7877 % 60000) * interval '25 minutes',
       CASE WHEN n % 40 = 0 THEN timestamptz '2025-06-01' END
  FROM generate_series(1, 60000) AS n;
INSERT INTO desk.orders
SELECT n, 1 + floor(200 * power((n * 7919::bigint % 250000) / 250000.0, 3))::int, 1 + (n * 104729::bigint % 60000)::int,
       CASE WHEN n % 200 = 7 THEN 'open' WHEN n % 50 = 3 THEN 'failed' WHEN n % 10 = 1 THEN 'shipped' ELSE 'done' END,
       'ORD-' || upper(substr(md5(n::text), 1, 10)), (n * 31 % 90000) / 100.0, n % 2 = 0,
       timestamptz '2024-01-01' + n * interval '3 minutes', CASE WHEN n % 25 = 0 THEN timestamptz '2025-07-01' END, repeat('n', 60)
  FROM generate_series(1, 250000) AS n;
INSERT INTO desk.order_line
SELECT n, 1 + (n - 1) / 2, 1 + floor(4000 * power((n * 7919::bigint % 400000) / 400000.0, 2))::int, 1 + n % 5, (n * 17 % 9000) / 100.0
  FROM generate_series(1, 400000) AS n;
INSERT INTO desk.product SELECT n, 'SKU' || n, 'Product ' || md5(n::text), n % 500 FROM generate_series(1, 4000) AS n;
INSERT INTO desk.event
SELECT n, 1 + (n * 7919::bigint % 200)::int, 1 + (n * 104729::bigint % 60000)::int,
       CASE WHEN n % 5000 = 0 THEN 'alarm' WHEN n % 3 = 0 THEN 'view' WHEN n % 3 = 1 THEN 'click' ELSE 'scroll' END,
       timestamptz '2025-01-01' + n * interval '30 seconds', jsonb_build_object('page', n % 4000, 'agent', 'browser ' || n % 9)
  FROM generate_series(1, 400000) AS n;
INSERT INTO desk.document
SELECT n, 1 + n % 200, 1 + (n * 7919 % 3000), 'Title ' || md5(n::text), 'slug-' || md5((n * 3)::text), 'body ' || md5((n * 7)::text) || ' ' || md5((n * 11)::text),
       ARRAY['tag' || n % 900, 'tag' || n % 70], jsonb_build_object('lang', (ARRAY['de', 'en', 'fr'])[1 + n % 3], 'ref', 'R' || n % 12000, 'score', n % 100),
       to_tsvector('simple', 'word' || n % 3000 || ' word' || n % 71 || ' common'), CASE WHEN n % 50 <> 0 THEN timestamptz '2025-02-01' + n * interval '1 minute' END
  FROM generate_series(1, 30000) AS n;
INSERT INTO desk.meter SELECT n, 1 + n % 200, n * 7919 % 60000, timestamptz '2025-01-01' + n * interval '1 second', 'meter ' || n FROM generate_series(1, 60000) AS n;
-- What is there already.
CREATE INDEX order_line_order_product ON desk.order_line (order_id, product_id);
CREATE INDEX customer_tenant_created ON desk.customer (tenant_id, created_at);
CREATE INDEX event_kind_actor ON desk.event (kind, actor_id);
CREATE INDEX document_slug ON desk.document (slug);
