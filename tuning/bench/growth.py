"""What a reservation costs with 10^4, 10^6 and 10^7 old ones beside it.

The databases are copies of one, filled beforehand and measured in turns in one instance, so that the
machine's mood meets all of them alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from tuning.bench.figures import Spread, percentile, ratio
from tuning.bench.matrix import rotated_numbers
from tuning.bench.pgbench import Load, latencies_ms
from tuning.bench.rig import Rig, one
from tuning.bench.shop import SPREAD_PRODUCTS, Shop
from tuning.stack.postgres import DATABASE

ROWS = (10_000, 1_000_000, 10_000_000)
CLIENTS = 1
# One statement of this many rows keeps the server's memory and a Ctrl-C short.
CHUNK = 500_000

# Old orders, sold long ago: a reservation and its ledger row each, then one ledger row for each
# counter that says all of them were paid. Row i belongs to counter i % 1,000.
_RESERVE = """
    WITH stock AS (SELECT array_agg(id ORDER BY id) AS ids FROM product_stock
                    WHERE product_id BETWEEN %(first)s::bigint AND %(last)s::bigint),
    old AS (
        SELECT i, %(base)s::bigint + i AS id, ids[1 + i %% cardinality(ids)] AS stock_id, md5('old' || i) AS h,
               now() - interval '30 days' + i * interval '10 ms' AS at, i / cardinality(ids) AS turn
          FROM stock, generate_series(%(start)s::bigint, %(end)s::bigint - 1) AS i),
    reservations AS (
        INSERT INTO stock_reservation
            (id, order_id, line, user_id, product_stock_id, quantity, status, idempotency_key, request_hash,
             transaction_id, expires_at, created_at, updated_at)
        SELECT id, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8'
                    || substr(h, 4, 15))::uuid,
               1, 1000000 + i %% 1000000, stock_id, 1, 'confirmed', 'old-' || i, stock_id, id, at + interval '900 s',
               at, at FROM old)
    INSERT INTO stock_transaction
        (id, product_stock_id, kind, delta_available, delta_held, delta_sold, version, created_at)
    SELECT id, stock_id, 'reserve', -1, 1, 0, 2 + turn, at FROM old"""
_CONFIRM = """
    WITH sums AS (
        SELECT t.product_stock_id AS id, sum(t.delta_held)::bigint AS units, max(t.version) + 1 AS version
          FROM stock_transaction AS t JOIN product_stock AS s ON s.id = t.product_stock_id
         WHERE s.product_id BETWEEN %(first)s::bigint AND %(last)s::bigint AND t.kind = 'reserve'
         GROUP BY t.product_stock_id),
    sold AS (
        UPDATE product_stock AS s SET available = s.available - sums.units, sold = sums.units, version = sums.version
          FROM sums WHERE s.id = sums.id)
    INSERT INTO stock_transaction (product_stock_id, kind, delta_available, delta_held, delta_sold, version)
    SELECT id, 'confirm', 0, -units, units, version FROM sums"""
_TABLES = ("stock_reservation", "stock_transaction")


@dataclass(frozen=True, slots=True)
class Grown:
    """One database; latency in milliseconds. The ratios are against the smallest; cost is time for each call."""

    rows: int
    reservations_per_s: Spread
    p50_ms: Spread
    p99_ms: Spread
    p50_ratio: Spread | None
    cost_ratio: Spread | None
    errors: int


def run(
    rig: Rig, sizes: Sequence[int], *, rounds: int, seconds: int, step: Callable[[str], None]
) -> tuple[list[Grown], list[str]]:
    """Fill a database for each size, then measure them in turns.

    Returns:
        What was measured, ratios against the smallest; and the names of the databases, for the audit.
    """
    sizes = sorted(set(sizes))
    shops = {}
    for size in sizes:
        step(f"filling a database with {size:,} old reservations")
        name = f"grown_{size}"
        with rig.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
        shops[size] = Shop(rig, name)
        fill(rig, shops[size], size)
    rates: dict[int, list[float]] = {size: [] for size in sizes}
    p50: dict[int, list[float]] = {size: [] for size in sizes}
    p99: dict[int, list[float]] = {size: [] for size in sizes}
    errors = dict.fromkeys(sizes, 0)
    for number in range(rounds):
        step(f"round {number + 1} of {rounds}: one client on each of {len(sizes)} databases, {seconds} s each")
        for position in rotated_numbers(len(sizes), number):
            size = sizes[position]
            found = _measure(rig, shops[size], f"grown_{size}", seconds)
            rates[size].append(found["rate"])
            p50[size].append(found["p50"])
            p99[size].append(found["p99"])
            errors[size] += found["errors"]
    least = sizes[0]
    grown = [
        Grown(
            rows=size,
            reservations_per_s=Spread.of(rates[size]),
            p50_ms=Spread.of(p50[size], digits=3),
            p99_ms=Spread.of(p99[size], digits=3),
            p50_ratio=ratio(p50[size], p50[least]),
            cost_ratio=ratio(rates[least], rates[size]),
            errors=errors[size],
        )
        for size in sizes
    ]
    return grown, [f"grown_{size}" for size in sizes]


def fill(rig: Rig, shop: Shop, rows: int) -> None:
    """Insert old reservations of other products and buyers; every invariant holds afterwards."""
    products = shop.products("old", SPREAD_PRODUCTS)
    with shop.connect() as connection, psycopg.ClientCursor(connection) as cursor:
        base = one(
            connection,
            "SELECT greatest(nextval('stock_reservation_id_seq'), nextval('stock_transaction_id_seq')) + 1",
        )
        for start in range(0, rows, CHUNK):
            values = asdict(products) | {"base": base, "start": start, "end": min(rows, start + CHUNK)}
            cursor.execute(_RESERVE, values)
        for table in _TABLES:
            cursor.execute("SELECT setval(%s::regclass, %s)", [f"{table}_id_seq", base + rows])
        cursor.execute(_CONFIRM, asdict(products))
        cursor.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}, product_stock")
        cursor.execute("CHECKPOINT")


def _measure(rig: Rig, shop: Shop, dbname: str, seconds: int) -> dict[str, Any]:
    product = shop.products("hot-function")
    log = rig.scratch / "latency"
    variables = {"n": 0, "run": rig.next_run(), "first": product.first, "last": product.last}
    load = Load({"function": 1}, CLIENTS, "prepared", seconds=seconds, variables=variables, log=log)
    with shop.connect() as connection:
        newest = one(connection, "SELECT coalesce(max(id), 0) FROM stock_reservation")
        outcome = rig.pgbench(load, conninfo=rig.conninfo(dbname=dbname))
        count = one(connection, "SELECT count(*) FROM stock_reservation WHERE id > %s", [newest])
    times = latencies_ms(log) or [0.0]
    return {
        "rate": count / outcome.seconds,
        "p50": percentile(times, 0.5),
        "p99": percentile(times, 0.99),
        "errors": outcome.errors,
    }
