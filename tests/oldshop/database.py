"""A database of the old project, its commands, its buyers, and what its books must say."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tuning.observe.audit import INVARIANTS

ROOT = Path(__file__).parents[2]
# More than one batch of the backfill.
PRODUCTS = 1200
HOT = 1
HOT_UNITS = 300


class OldShop:
    """A database of the old project."""

    def __init__(self, conninfo: str, directory: Path) -> None:
        self.conninfo = conninfo
        self.directory = directory
        self.map = directory / "map.toml"
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("HOTROW_", "PG"))} | {
            "OLDSHOP_DATABASE_URL": conninfo,
            "PYTHONPATH": str(ROOT),
        }
        self.connection = psycopg.connect(conninfo, autocommit=True)

    @contextmanager
    def running(self, *arguments: str, settings: str = "settings") -> Iterator[subprocess.Popen[str]]:
        """A management command that is under way; it is killed at the end of the block if it still is."""
        command = [sys.executable, "-W", "error", "-m", "django", *arguments, f"--settings=tests.oldshop.{settings}"]
        with subprocess.Popen(
            command, env=self.env, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def manage(
        self, *arguments: str, check: bool = True, settings: str = "settings"
    ) -> subprocess.CompletedProcess[str]:
        with self.running(*arguments, settings=settings) as process:
            out, err = process.communicate(timeout=90)
        assert process.returncode == 0 or not check, out + err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def adopt(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if not self.map.exists():
            self.manage("adopt_stock", "--propose", "--map", str(self.map))
        return self.manage("adopt_stock", *(arguments or ("--map", str(self.map), "--apply")), check=check)

    @contextmanager
    def buyers(self, *stock_ids: int) -> Iterator[dict[str, Any]]:
        """Old code that reserves as long as the block runs; afterwards the dictionary says what it was told."""
        told: dict[str, Any] = {}
        with subprocess.Popen(
            [sys.executable, "-m", "tests.oldshop.load", *map(str, stock_ids)],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            try:
                yield told
            finally:
                out, _ = process.communicate(timeout=60)
        told |= json.loads(out)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(statement, values or None)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []

    def reserve(self, quantity: int = 1, product_id: int = HOT) -> tuple[str, uuid.UUID]:
        """Reserve through the function; its outcome and the order."""
        order = uuid.uuid4()
        ((outcome,),) = self.run(
            "SELECT outcome FROM reserve_stock_v1(%s, 1, %s, %s::bigint[], %s::integer[], 900)",
            order,
            order.hex,
            [product_id],
            [quantity],
        )
        return outcome, order

    def row(self, stock_id: int = HOT) -> tuple[int, int, int]:
        """total_stock, reserved_stock and version, as the project sees them."""
        ((total, reserved, version),) = self.run(
            "SELECT total_stock, reserved_stock, version FROM shop_productstock WHERE id = %s", stock_id
        )
        return total, reserved, version

    def kit_row(self, stock_id: int = HOT) -> tuple[int, int, int, int]:
        """available, held, sold and version, as the functions see them."""
        ((available, held, sold, version),) = self.run(
            "SELECT available, held, sold, version FROM product_stock WHERE id = %s", stock_id
        )
        return available, held, sold, version

    def breaches(self) -> list[str]:
        """What check_stock, the audit's invariants and the project's own books object to."""
        found = [str(row) for row in self.run("SELECT * FROM check_stock_v1()")]
        found += [row[0] for statement in INVARIANTS.values() for row in self.run(statement)]
        found += [
            f"counter {stock_id}: {said} in the project's columns, {known} available"
            for stock_id, said, known in self.run(
                "SELECT id, total_stock - reserved_stock, hotrow_available FROM shop_productstock"
                " WHERE total_stock - reserved_stock <> hotrow_available"
            )
        ]
        found += [
            f"counter {stock_id}: {reserved} reserved, {old} by the project, {held} by the kit"
            for stock_id, reserved, old, held in self.run(
                "SELECT s.id, s.reserved_stock, coalesce(r.units, 0), s.hotrow_held FROM shop_productstock AS s"
                " LEFT JOIN (SELECT product_stock_id, sum(quantity) AS units FROM shop_stockreservation"
                "             WHERE status = 'reserved' GROUP BY 1) AS r ON r.product_stock_id = s.id"
                " WHERE s.reserved_stock <> coalesce(r.units, 0) + s.hotrow_held"
            )
        ]
        return found


def seed(shop: OldShop) -> None:
    shop.run(
        "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,"
        " date_joined) VALUES ('', false, 'ann', '', '', '', false, true, now())"
    )
    shop.run(
        "INSERT INTO shop_product (sku, name, price, is_active)"
        " SELECT 'P' || n, 'Product ' || n, 1, true FROM generate_series(1, %s) AS n",
        PRODUCTS,
    )
    shop.run("INSERT INTO shop_warehouse (code, name) VALUES ('MAIN', 'Main'), ('SOUTH', 'South')")
    shop.run(
        "INSERT INTO shop_productstock (product_id, warehouse_id, total_stock, reserved_stock, version, created_at)"
        " SELECT id, 1, CASE id WHEN %s THEN %s ELSE 10 END, 0, 7, now() FROM shop_product ORDER BY id",
        HOT,
        HOT_UNITS,
    )
    # Holds of the old code from before the adoption.
    shop.run(
        "INSERT INTO shop_stockreservation (product_stock_id, user_id, quantity, status, created_at)"
        " SELECT id, 1, 3, 'reserved', now() FROM shop_productstock WHERE id > %s",
        HOT,
    )
    shop.run("UPDATE shop_productstock SET reserved_stock = 3 WHERE id > %s", HOT)
