"""Record the plans of tests/data/plans: ``python -m tests.plan_recorder CONNINFO`` on each version that is supported.

Without times, so that JSON and text are of the same plan though of two executions.
"""

import json
import sys
from pathlib import Path

import psycopg

from tests.integration.explain_cases import SCHEMA

FOLDER = Path(__file__).parent / "data/plans"
OPTIONS = "ANALYZE, VERBOSE, BUFFERS OFF, TIMING OFF, SUMMARY OFF, SETTINGS"
PARALLEL = "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0"
CTE = """WITH big AS MATERIALIZED (SELECT * FROM orders WHERE total > 900)
SELECT (SELECT max(total) FROM orders), b.id, (SELECT count(*) FROM customers x WHERE x.id = b.id)
  FROM big b ORDER BY b.total, b.id LIMIT 5"""
LATERAL = """SELECT *
  FROM customers c, LATERAL (SELECT * FROM orders o WHERE o.id = c.id ORDER BY created LIMIT 1) x WHERE c.id < 20"""
MEMOIZE = "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.total + 1"
QUERIES = {
    "scan": ("", "SELECT * FROM orders WHERE customer_id = 77"),
    "join": ("", "SELECT c.name, count(*) FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY 1 LIMIT 5"),
    "cte": ("", CTE),
    "partitions": ("", "SELECT * FROM events WHERE kind = 7"),
    "spill": ("SET work_mem = '64kB'", "SELECT * FROM orders ORDER BY note, id LIMIT 90000"),
    "never": ("", "SELECT * FROM customers c LEFT JOIN orders o ON o.id = c.id WHERE c.id < 0"),
    "window": ("", "SELECT id, sum(total) OVER (ORDER BY id) FROM orders WHERE id < 100"),
    "recursive": ("", "WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT * FROM r"),
    "lateral": ("", LATERAL),
    "memoize": ("SET enable_hashjoin = off; SET enable_mergejoin = off", MEMOIZE),
    "update": ("", "UPDATE customers SET name = 'it''s: \"x\"' WHERE id = 4"),
    "gather": (PARALLEL, "SELECT status, count(*) FROM orders GROUP BY status"),
}  # fmt: skip


def record(conninfo: str) -> None:
    """Write each query's plan as JSON and as text; everything is rolled back."""
    with psycopg.connect(conninfo, autocommit=True) as connection, connection.transaction(force_rollback=True):
        folder = FOLDER / str(connection.info.server_version // 10000)
        folder.mkdir(parents=True, exist_ok=True)
        connection.execute("DROP SCHEMA IF EXISTS lab CASCADE")
        connection.execute(SCHEMA)
        connection.execute("ANALYZE")
        for name, (settings, sql) in QUERIES.items():
            with connection.transaction(force_rollback=True):
                if settings:
                    connection.execute(settings)
                connection.execute(sql)
                (entries,) = connection.execute(f"EXPLAIN ({OPTIONS}, FORMAT JSON) {sql}").fetchone() or ([],)
                text = connection.execute(f"EXPLAIN ({OPTIONS}) {sql}").fetchall()
            (folder / f"{name}.json").write_text(json.dumps(entries, indent=1) + "\n")
            (folder / f"{name}.txt").write_text("\n".join(line for (line,) in text) + "\n")


if __name__ == "__main__":
    record(sys.argv[1])
