"""Each index that the report recommends gets a verdict with figures, on the service's schema without the kit's own.

``HOTROW_INDEX_ROWS=5000000 pytest -s tests/integration/index/test_report.py`` is the same at full size, and prints the
figures.
"""

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.bare import bare
from tests.unit.command import hotrow
from tuning.stack import postgres

ROWS = int(os.environ.get("HOTROW_INDEX_ROWS", "60000"))
# 199 is prime to the number of users: of every buyer's reservations a few are held.
LOAD = """
SET session_replication_role = replica;
TRUNCATE product_stock, stock_reservation, stock_transaction CASCADE;
DROP INDEX IF EXISTS stock_reservation_due_idx, stock_transaction_product_stock_id_created_at_idx;
INSERT INTO product_stock (id, product_id, warehouse_id) SELECT n, n, 1 FROM generate_series(1, 5000) AS n;
INSERT INTO stock_reservation (id, order_id, line, user_id, product_stock_id, quantity, status, idempotency_key,
                               request_hash, transaction_id, expires_at, created_at)
SELECT n, gen_random_uuid(), 1, 1 + n % 3000, 1 + (n * 7919::bigint) % 5000, 1,
       CASE WHEN n % 199 = 0 THEN 'held' ELSE 'confirmed' END, 'k' || n, n, n,
       timestamptz '2026-01-01' + n * interval '1 s', timestamptz '2025-12-31' + n * interval '1 s'
  FROM generate_series(1, {rows}) AS n;
INSERT INTO stock_transaction (id, product_stock_id, kind, delta_available, delta_held, delta_sold, version, created_at)
SELECT n, 1 + (n * 7919::bigint) % 5000, 'reserve', -1, 1, 0, n,
       timestamptz '2026-01-01' + n * interval '1 s' FROM generate_series(1, {rows}) AS n;
"""
WORKLOAD = """
SELECT id, available FROM product_stock WHERE product_id = 42;
SELECT id FROM stock_reservation WHERE status = 'held' AND expires_at < '2026-01-01 01:00' ORDER BY expires_at LIMIT 50;
SELECT id, quantity FROM stock_reservation WHERE user_id = 77 AND status = 'confirmed';
SELECT kind, delta_available FROM stock_transaction WHERE product_stock_id = 42 ORDER BY created_at DESC LIMIT 20;
UPDATE stock_reservation SET status = 'expired' WHERE id = 199;
UPDATE product_stock SET available = available + 1 WHERE id = 42;
"""
INDEXES = {
    "report_1": "product_stock (product_id)",
    "report_2": "stock_reservation (status, expires_at)",
    "report_3": "stock_reservation (user_id, status)",
    "report_4": "stock_transaction (product_stock_id, created_at)",
}


def told(found: dict[str, Any]) -> str:
    """A proof as a row of a table: verdict, blocks of the statement that gains most, size, build, HOT updates."""
    best = max(found["statements"], key=lambda effect: effect["cut"], default=None)
    unit = "blocks" if best and best["before"]["blocks"] is not None else "cost"
    blocks = f"{best['before'][unit]:,.0f} to {best['after'][unit]:,.0f} {unit}" if best else "used by none"
    before, after = found["writes_before"], found["writes_after"]
    hot = (
        "not updated"
        if before["hot_ratio"] is None or after["hot_ratio"] is None
        else f"{before['hot_ratio']:.0%} to {after['hot_ratio']:.0%}"
    )
    wal = f"{before['insert']['wal_bytes']:,.0f} to {after['insert']['wal_bytes']:,.0f}"
    size = f"{found['bytes'] / 2**20:,.1f} MiB in {found['build_s']:.1f} s"
    return f"| `{found['sql']}` | {found['verdict']} | {blocks} | {size} | {hot} | {wal} | {found['reason']} |"


@pytest.mark.timeout(120 + ROWS // 2_000)
def test_each_index_of_the_report_gets_a_verdict_with_figures(tmp_path: Path) -> None:
    file = tmp_path / "workload.sql"
    file.write_text(WORKLOAD)
    with bare("report-indexes", shared_buffers="64MB") as stack:
        dsn = psycopg.conninfo.make_conninfo(stack.superuser, dbname=postgres.DATABASE)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(LOAD.format(rows=ROWS).encode())
            connection.execute("VACUUM ANALYZE")
        wanted = [f"--index=CREATE INDEX {name} ON {on}" for name, on in INDEXES.items()]
        done = hotrow("index", "prove", "--dsn", dsn, "--json", *wanted, str(file))
    assert done.returncode == 1, done.stderr
    found = {each["name"]: each for each in json.loads(done.stdout)["indexes"]}
    print(f"\n{ROWS:,} rows", *map(told, found.values()), done.stdout[done.stdout.rindex('"server"') :], sep="\n")
    # The unique constraint of product, warehouse and bucket leads with the product.
    assert found["report_1"]["verdict"] == "useless", found["report_1"]
    assert found["report_1"]["reason"]
    for name in ("report_2", "report_3", "report_4"):
        each = found[name]
        assert each["verdict"] in ("helps", "harms writes"), each
        best = max(each["statements"], key=lambda effect: effect["cut"])
        assert best["after"]["blocks"] < best["before"]["blocks"] / 2
        assert each["writes_after"]["insert"]["wal_bytes"] > each["writes_before"]["insert"]["wal_bytes"]
    # Every reservation changes its status: its HOT updates are what these two cost.
    for name in ("report_2", "report_3"):
        assert found[name]["writes_after"]["hot_ratio"] < found[name]["writes_before"]["hot_ratio"], found[name]
