-- A workload of another shape than stock: a shop of many tenants with orders, events and documents.
-- It was written, with its known best indexes, before `hotrow index suggest` was; do not change it to please the advisor.
CREATE SCHEMA desk;
CREATE TABLE desk.tenant (id int PRIMARY KEY, name text NOT NULL, plan text NOT NULL);
CREATE TABLE desk.customer (
    id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES desk.tenant, email varchar(200) NOT NULL, name text NOT NULL,
    country char(2) NOT NULL, created_at timestamptz NOT NULL, deleted_at timestamptz);
CREATE TABLE desk.orders (
    id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES desk.tenant, customer_id int NOT NULL REFERENCES desk.customer,
    status varchar(12) NOT NULL, code varchar(20) NOT NULL, total numeric(10, 2) NOT NULL, is_gift boolean NOT NULL,
    created_at timestamptz NOT NULL, deleted_at timestamptz, note text NOT NULL);
CREATE TABLE desk.order_line (
    id int PRIMARY KEY, order_id int NOT NULL REFERENCES desk.orders, product_id int NOT NULL, quantity int NOT NULL,
    price numeric(10, 2) NOT NULL);
CREATE TABLE desk.product (id int PRIMARY KEY, sku varchar(20) NOT NULL UNIQUE, name text NOT NULL, price numeric(10, 2) NOT NULL);
CREATE TABLE desk.event (
    id bigint PRIMARY KEY, tenant_id int NOT NULL, actor_id int NOT NULL, kind text NOT NULL, at timestamptz NOT NULL,
    payload jsonb NOT NULL);
CREATE TABLE desk.document (
    id int PRIMARY KEY, tenant_id int NOT NULL, owner_id int NOT NULL, title varchar(200) NOT NULL, slug text NOT NULL,
    body text NOT NULL, tags text[] NOT NULL, meta jsonb NOT NULL, search tsvector NOT NULL, deleted_at timestamptz);
CREATE TABLE desk.meter (
    id int PRIMARY KEY, tenant_id int NOT NULL, reading int NOT NULL, seen_at timestamptz NOT NULL, label text NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE desk.country (code char(2) PRIMARY KEY, name text NOT NULL, region text NOT NULL);
