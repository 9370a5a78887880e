"""pgbench drives every operation at once through PgBouncer, and an observer checks each committed snapshot.

No call may fail, least of all with 40P01: locks are taken in one order (invariants 1, 6, 15 and 25).
"""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.integration.mutants import forget, mutant
from tests.integration.shop import Shop
from tuning.observe.audit import INVARIANTS
from tuning.stack import binaries
from tuning.stack.accounts import server_account
from tuning.stack.stack import Stack

SCRIPTS = Path(__file__).parents[1] / "hammer"
IS_SOAK = "HOTROW_SOAK_S" in os.environ
CLIENTS = 8
# `make soak` drives as many carts as the invariant names; a client runs its share of them.
LENGTH = ["-t", str(150_000 // CLIENTS)] if IS_SOAK else ["-T", "6"]
MIX = {
    "cart": 10,
    "confirm": 3,
    "release": 3,
    "replace": 2,
    "single": 2,
    "batch": 1,
    "expire": 1,
    "restock": 3,
}


@dataclass(frozen=True, slots=True)
class Hammered:
    """What pgbench says: transactions that were done, those that failed, and its errors in words."""

    done: int
    failed: int
    errors: str


def hammer(
    stack: Stack, conninfo: str, mix: dict[str, int], length: list[str], clients: int = CLIENTS, **variables: int
) -> Hammered:
    """Run pgbench to its end; a failed statement ends its client, a deadlock counts as failed."""
    to = conninfo_to_dict(conninfo)
    pgbench = binaries.postgres(None, server_account()).program("pgbench")
    run = subprocess.run(
        [
            pgbench,
            "-n",
            "-c",
            str(clients),
            "-j",
            str(min(clients, 2)),
            *length,
            "-h",
            str(to["host"]),
            "-p",
            str(to["port"]),
        ]
        + ["-U", str(to["user"]), *(f"-D{name}={value}" for name, value in variables.items())]
        + [argument for name, weight in mix.items() for argument in ("-f", f"{SCRIPTS / name}.sql@{weight}")]
        + [str(to["dbname"])],
        env={**os.environ, "PGPASSWORD": str(to["password"])},
        capture_output=True,
        text=True,
    )
    done = re.search(r"transactions actually processed: (\d+)", run.stdout)
    failed = re.search(r"failed transactions: (\d+)", run.stdout)
    return Hammered(int(done[1]) if done else 0, int(failed[1]) if failed else 0, run.stderr)


class Observer:
    """Checks every invariant in one snapshot after another, and keeps what it found."""

    def __init__(self, conninfo: str) -> None:
        self.snapshots = 0
        self.violations: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=[conninfo])

    def _watch(self, conninfo: str) -> None:
        with psycopg.connect(conninfo) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not self._is_over.is_set() and not self.violations:
                for statement in INVARIANTS.values():
                    self.violations += [row[0] for row in connection.execute(statement)]
                connection.rollback()
                self.snapshots += 1

    @contextmanager
    def watching(self) -> Iterator["Observer"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            self._thread.join()


@pytest.fixture(autouse=True)
def swept(stack: Stack, shop: Shop) -> Iterator[None]:
    """Later tests look at the whole database; thousands of rows of nobody's interest would only slow them down."""
    (before,) = shop._one("SELECT max(id) FROM product")
    yield
    (after,) = shop._one("SELECT max(id) FROM product")
    forget(stack, list(range(before + 1, after + 1)))


def ten_products(shop: Shop, units: int) -> list[int]:
    products = [shop.product(units) for _ in range(10)]
    assert products == list(range(products[0], products[0] + 10))
    return products


@pytest.mark.timeout(120 if not IS_SOAK else 3600)
def test_hammer_never_fails_and_every_snapshot_is_right(stack: Stack, shop: Shop) -> None:
    products = ten_products(shop, 3_000 if IS_SOAK else 300)
    # Some are counted in other ways, and sold in the same carts.
    assert shop.ask("set_stock_mode_v1", products[3], "buckets", 3) == "set"
    assert shop.ask("set_stock_mode_v1", products[6], "units", 1) == "set"
    with Observer(stack.direct).watching() as observer:
        told = hammer(stack, stack.pooled, MIX, LENGTH, first=products[0], last=9)
    assert (told.failed, told.errors) == (0, "")
    assert told.done > 200
    assert observer.violations == []
    assert observer.snapshots >= 5
    assert shop.violations() == []
    statuses = dict(
        shop.connection.execute(
            "SELECT r.status, count(*) FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id"
            " WHERE s.product_id = ANY (%s) GROUP BY r.status",
            [products],
        ).fetchall()
    )
    assert set(statuses) >= {"held", "confirmed", "released", "expired"}


UNSORTED = {
    "cart": ("stock_take_v1", "ANY (p_products) ORDER BY s.id FOR"),
    "batch": ("reserve_stock_many_v1", "ANY (v_stock_ids) ORDER BY s.id FOR"),
}


@pytest.mark.parametrize("script", UNSORTED)
def test_hammer_finds_locks_that_are_not_sorted(stack: Stack, shop: Shop, script: str) -> None:
    started = time.monotonic()
    products = ten_products(shop, 50_000)
    function, sorted_lock = UNSORTED[script]
    with mutant(stack, function, (sorted_lock, sorted_lock.replace("s.id FOR", "random() FOR"))):
        # Direct, because it takes several servers to meet, however many PgBouncer has.
        told = hammer(stack, stack.conninfo("app"), {script: 1}, ["-T", "3"], first=products[0])
    assert told.failed > 0 or "deadlock" in told.errors
    assert time.monotonic() - started < 10


def test_observer_finds_a_counter_that_changes_without_its_ledger_row(stack: Stack, shop: Shop) -> None:
    started = time.monotonic()
    products = ten_products(shop, 5_000)
    without = [
        ("FROM taken)\n                    SELECT taken.is_last", "FROM taken WHERE false)\n SELECT taken.is_last")
    ]
    with mutant(stack, "reserve_stock_v1", *without), Observer(stack.direct).watching() as observer:
        hammer(stack, stack.pooled, {"single": 1}, ["-T", "2"], first=products[0], last=9)
    forget(stack, products)
    assert observer.violations
    assert time.monotonic() - started < 10
    assert shop.violations() == []


@pytest.mark.parametrize("clients", [2, 8])
def test_updates_of_a_hot_row_stay_on_its_page(stack: Stack, shop: Shop, clients: int) -> None:
    assert hot_ratio(stack, shop, clients) >= 0.99


def test_waiters_that_pin_the_page_are_seen(stack: Stack, shop: Shop) -> None:
    """The control: without the queue beside the row, one update in about 70 leaves its page (ADR 14)."""
    with mutant(stack, "reserve_stock_v1", ("pg_advisory_xact_lock(c_queue + v_stock_id)", "0")):
        assert hot_ratio(stack, shop, 8) < 0.99


def hot_ratio(stack: Stack, shop: Shop, clients: int) -> float:
    """The share of HOT updates of product_stock while so many clients buy one product."""
    product = shop.product(1_000_000)
    # Tuples that tests before made are vacuumed away; what follows is the hot row alone.
    shop.connection.execute("VACUUM product_stock")
    counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'product_stock'"
    with psycopg.connect(stack.superuser, dbname="hotrow", autocommit=True) as superuser:
        # PgBouncer's idle servers tell what they did for earlier tests only when they end, or after 10 s.
        superuser.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'hotrow_app'")
    before = shop.connection.execute(counts).fetchone() or (0, 0)
    # Direct: a backend that ends tells its statistics.
    told = hammer(stack, stack.conninfo("app"), {"single": 1}, ["-T", "3"], clients=clients, first=product, last=0)
    assert (told.failed, told.errors) == (0, "")
    deadline = time.monotonic() + 5
    after = before
    while after[0] - before[0] < told.done and time.monotonic() < deadline:
        after = shop.connection.execute(counts).fetchone() or (0, 0)
    updates, hot = after[0] - before[0], after[1] - before[1]
    assert updates == told.done
    return float(hot / updates)


def test_hold_of_one_product_is_two_inserts_and_one_update(stack: Stack, shop: Shop) -> None:
    product = shop.product(5)
    counts = (
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables"
        " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY relname"
    )
    with psycopg.connect(stack.direct) as owner:
        owner.execute(
            "SELECT reserve_stock_v1(gen_random_uuid(), 1, gen_random_uuid()::text, %s, '{1}', 60)", [[product]]
        )
        assert owner.execute(counts).fetchall() == [
            ("product_stock", 0, 1, 0),
            ("stock_reservation", 1, 0, 0),
            ("stock_transaction", 1, 0, 0),
        ]
        owner.rollback()
