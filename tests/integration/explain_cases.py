"""For each rule for plans: a fault that is planted, the statement that shows it, and what mends it.

The tables are those of ``SCHEMA``, in a schema of their own. ``plant`` and ``mend`` are run in one rolled-back
transaction, ``settings`` are of that transaction, ``mended`` are others that mend.
"""

from dataclasses import dataclass, field

SCHEMA = """
CREATE SCHEMA lab;
SET search_path = lab;
CREATE TABLE customers (id int PRIMARY KEY, name text, country text);
INSERT INTO customers
SELECT n, 'name ' || n, (ARRAY['de', 'fr', 'us'])[1 + n % 3] FROM generate_series(1, 20000) AS n;
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, status text, created date, total int, note text);
INSERT INTO orders
SELECT n, 1 + (n * 7919) % 20000, CASE WHEN n % 100 = 0 THEN 'open' ELSE 'done' END, date '2024-01-01' + n % 730,
       n % 997, repeat('x', 100)
  FROM generate_series(1, 100000) AS n;
CREATE TABLE pairs (a int, b int, c int);
INSERT INTO pairs SELECT n % 100, n % 100, n FROM generate_series(1, 50000) AS n;
CREATE TABLE wide (id int PRIMARY KEY, body text);
ALTER TABLE wide ALTER body SET STORAGE PLAIN;
INSERT INTO wide SELECT n, repeat('w', 2500) FROM generate_series(1, 12000) AS n;
CREATE TABLE events (id int, at date, kind int) PARTITION BY RANGE (at);
CREATE TABLE events_a PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE events_b PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE events_c PARTITION OF events FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
CREATE TABLE events_d PARTITION OF events FOR VALUES FROM ('2024-04-01') TO ('2024-05-01');
INSERT INTO events SELECT n, date '2024-01-01' + n % 121, n FROM generate_series(1, 20000) AS n;
CREATE INDEX events_kind_idx ON events (kind);
CREATE TABLE marks AS SELECT n FROM generate_series(1, 1200) AS n;
CREATE TABLE stale (a int, n int) WITH (autovacuum_enabled = false);
INSERT INTO stale SELECT 1, n FROM generate_series(1, 100) AS n;
"""

# After the first ANALYZE; the server counts what has changed when this is committed.
CHANGES = "INSERT INTO lab.stale SELECT 5, n FROM generate_series(1, 50000) AS n"

SERIAL = {"max_parallel_workers_per_gather": "0", "jit": "off"}
LOOPS = {**SERIAL, "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_memoize": "off"}
MERGE = {**SERIAL, "enable_hashjoin": "off", "enable_nestloop": "off"}
HASH = {**SERIAL, "enable_hashjoin": "on", "enable_nestloop": "off", "enable_mergejoin": "off"}
PARALLEL = {
    "jit": "off",
    "max_parallel_workers_per_gather": "2",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
}
FEW = {**SERIAL, "work_mem": "64kB"}
MANY = {**SERIAL, "work_mem": "256MB"}


@dataclass(frozen=True)
class Case:
    rule: str
    sql: str
    mend: str = ""
    plant: str = ""
    settings: dict[str, str] = field(default_factory=lambda: SERIAL)
    mended: dict[str, str] = field(default_factory=dict)
    mended_sql: str = ""


CASES = [
    Case("slow-scan", "SELECT * FROM orders WHERE customer_id = 77", "CREATE INDEX ON orders (customer_id)"),
    Case(
        "slow-scan",
        "SELECT count(*) FROM orders WHERE total = 5",
        "CREATE INDEX ON orders (total)",
        settings=PARALLEL,
    ),
    Case(
        "join-scan",
        "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id < 20",
        "CREATE INDEX ON orders (customer_id)",
    ),
    Case(
        "inefficient-index",
        "SELECT * FROM orders WHERE status = 'done' AND total = 5",
        "CREATE INDEX ON orders (status, total)",
        "CREATE INDEX ON orders (status); SET LOCAL enable_seqscan = off",
    ),
    Case(
        "misestimate",
        "SELECT * FROM pairs WHERE a = 1 AND b = 1",
        "CREATE STATISTICS pairs_ab (dependencies) ON a, b FROM pairs; ANALYZE pairs",
        "ALTER TABLE pairs ALTER a SET STATISTICS 200; ANALYZE pairs",
    ),
    Case(
        "misestimate-source",
        "SELECT * FROM pairs p JOIN customers c ON c.id = p.c WHERE p.a = 1 AND p.b = 1",
        "CREATE STATISTICS pairs_ab (dependencies) ON a, b FROM pairs; ANALYZE pairs",
    ),
    Case(
        "stale-statistics",
        "SELECT * FROM stale WHERE a = 5",
        "ANALYZE stale",
    ),
    Case("sort-spill", "SELECT * FROM orders ORDER BY note, id", settings=FEW, mended=MANY),
    Case(
        "hash-spill",
        "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id",
        settings={**HASH, "work_mem": "64kB", "hash_mem_multiplier": "1"},
        mended={**HASH, "work_mem": "64MB"},
    ),
    Case(
        "aggregate-spill",
        "SELECT customer_id, count(*) FROM orders GROUP BY 1",
        settings={**FEW, "enable_sort": "off"},
        mended={**MANY, "enable_sort": "off"},
    ),
    Case(
        "temp-blocks",
        "WITH kept AS MATERIALIZED (SELECT * FROM orders) SELECT count(*) FROM kept",
        settings=FEW,
        mended=MANY,
    ),
    Case(
        "lossy-bitmap",
        "SELECT count(body) FROM wide WHERE id < 11000",
        plant="SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off",
        settings=FEW,
        mended=MANY,
    ),
    Case(
        "nested-loop",
        "SELECT sum(n) FROM customers c CROSS JOIN LATERAL"
        " (SELECT count(*) AS n FROM marks m WHERE m.n + 900 > c.id) x WHERE c.id <= 1200",
        mended_sql="SELECT count(*) FROM customers c JOIN marks m ON m.n = c.id WHERE c.id <= 1200",
    ),
    Case(
        "correlated-subplan",
        "SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) FROM customers c",
        plant="CREATE INDEX ON orders (customer_id)",
        mended_sql="SELECT c.id, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id",
    ),
    Case(
        "join-filter",
        "SELECT count(*) FROM customers c JOIN customers d ON c.id + 0 = d.id + 0 WHERE c.id < 500 AND d.id < 500",
        settings=LOOPS,
        mended=HASH,
    ),
    Case(
        "materialize-loops",
        "SELECT count(*) FROM customers c WHERE id < 1000 AND NOT EXISTS"
        " (SELECT FROM wide w WHERE w.id < 1000 AND w.id + c.id < 0)",
        settings=LOOPS,
        mended_sql="SELECT count(*) FROM customers c WHERE id < 1000"
        " AND NOT EXISTS (SELECT FROM wide w WHERE w.id = c.id)",
    ),
    Case("top-n-scan", "SELECT * FROM orders ORDER BY total LIMIT 10", "CREATE INDEX ON orders (total)"),
    Case(
        "top-n-scan",
        "SELECT * FROM orders ORDER BY total LIMIT 10",
        "CREATE INDEX ON orders (total)",
        settings=PARALLEL,
    ),
    Case(
        "merge-join-sorts",
        "SELECT count(*) FROM orders o JOIN customers c ON c.name = o.status || o.customer_id",
        settings={**MERGE, "work_mem": "64MB"},
        mended=HASH,
    ),
    Case(
        "heap-fetches",
        "SELECT count(id) FROM fresh WHERE id > 0",
        "",
        "CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh SELECT generate_series(1, 50000); ANALYZE fresh;"
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off",
        mended_sql="SELECT count(id) FROM customers WHERE id > 0",
    ),
    Case(
        "large-offset",
        "SELECT * FROM orders ORDER BY id OFFSET 50000 LIMIT 20",
        mended_sql="SELECT * FROM orders WHERE id > 50000 ORDER BY id LIMIT 20",
    ),
    Case(
        "workers-not-launched",
        "SELECT count(*) FROM orders",
        settings={**PARALLEL, "max_parallel_workers": "0"},
        mended={**PARALLEL, "max_parallel_workers": "8"},
    ),
    Case(
        "wide-rows",
        "SELECT * FROM wide",
        mended_sql="SELECT id FROM wide",
    ),
    Case(
        "jit-cost",
        "SELECT sum(total + id), count(*) FILTER (WHERE total > 3) FROM orders WHERE id < 1000",
        settings={**SERIAL, "jit": "on", "jit_above_cost": "0", "jit_optimize_above_cost": "0"},
        mended=SERIAL,
    ),
    Case(
        "all-partitions",
        "SELECT * FROM events WHERE kind = 7",
        mended_sql="SELECT * FROM events WHERE kind = 7 AND at = '2024-01-08'",
    ),
    Case(
        "like-scan", "SELECT * FROM customers WHERE name LIKE '%77'", mended_sql="SELECT * FROM customers WHERE id = 77"
    ),
    Case(
        "like-scan",
        "SELECT * FROM customers WHERE upper(name) = 'NAME 77'",
        "CREATE INDEX ON customers (upper(name)); ANALYZE customers",
    ),
]

# What a plan may look like without a fault; each was a false finding once, or is one of other tools.
HEALTHY = [
    "SELECT * FROM customers WHERE id = 7",
    "SELECT * FROM customers WHERE id IN (1, 2, 3) ORDER BY id LIMIT 2",
    "SELECT status, count(*) FROM orders GROUP BY 1",
    "SELECT count(*) FROM orders WHERE status = 'done'",
    "SELECT * FROM orders WHERE note <> 'x' LIMIT 10",
    "SELECT c.country, sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY 1",
    "SELECT c.id, (SELECT count(*) FROM wide w WHERE w.id = c.id) FROM customers c ORDER BY c.id LIMIT 25",
    "SELECT count(*) FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)",
    "SELECT id FROM customers EXCEPT SELECT customer_id FROM orders",
    "WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 3000) SELECT count(*) FROM r",
    "SELECT * FROM generate_series(1, 3) AS g JOIN customers c ON c.id = g",
    "SELECT * FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.id = c.id) ORDER BY c.id LIMIT 5",
    "SELECT count(*) FROM events WHERE at >= '2024-01-01'",
    "SELECT * FROM events WHERE kind = 7 AND at BETWEEN '2024-01-01' AND '2024-12-31'",
    "SELECT * FROM orders WHERE id = 1 UNION ALL SELECT * FROM orders WHERE id = 2",
    "SELECT a.id FROM customers a JOIN customers b ON b.id = a.id WHERE a.id < 50",
    "SELECT id FROM orders WHERE id > 50000 ORDER BY id LIMIT 20",
]
