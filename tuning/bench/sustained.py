"""Batches on one hot row until so many reservations are made: does the rate hold, and what does each cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from tuning.bench import inputs
from tuning.bench.figures import Spread
from tuning.bench.pgbench import Load
from tuning.bench.rig import Rig, one
from tuning.bench.shop import Shop

# Inputs on disk at a time; they are made between two slices, while the clock stands still.
SLICE = 1_000_000
CLIENTS = 4
BATCH = 1_000
TABLES = ("product_stock", "stock_reservation", "stock_transaction")

_STATE = """
    SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS wal, blks_hit, blks_read, deadlocks,
           s.n_tup_upd, s.n_tup_hot_upd
      FROM pg_stat_database, pg_stat_user_tables AS s
     WHERE datname = current_database() AND s.relid = 'product_stock'::regclass"""
_SIZES = """
    SELECT c.relname, pg_relation_size(c.oid), c.relkind = 'i' FROM pg_class AS c
     WHERE c.oid = ANY (%(tables)s::regclass[])
        OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = ANY (%(tables)s::regclass[]))
     ORDER BY c.relkind DESC, c.relname"""


@dataclass(frozen=True, slots=True)
class Sustained:
    """``reservations_per_s`` is all of them over the timed seconds; the ``slices`` are of a million each.

    ``inputs`` says what is not timed.
    """

    reservations: int
    seconds: float
    reservations_per_s: float
    slices: Spread
    per_slice: list[float]
    clients: int
    batch: int
    errors: int
    deadlocks: int
    wal_bytes_per_reservation: float
    blocks_hit_per_reservation: float
    blocks_read_per_reservation: float
    hot_update_ratio: float | None
    size_bytes: dict[str, int]
    inputs: str = "made in slices between the timed runs, in an unlogged table, and excluded from time and WAL"


def run(
    rig: Rig, shop: Shop, total: int, step: Callable[[str], None], *, batch: int = BATCH, clients: int = CLIENTS
) -> Sustained:
    """Reserve ``total`` units, one each, on one hot row in batches.

    Each slice is as many whole batches for each client as fit, so all inputs are used and none is left.
    """
    product = shop.products("sustained")
    sums: dict[str, int] = {}
    rates: list[float] = []
    made = errors = 0
    seconds = 0.0
    with shop.connect() as connection:
        while made < total:
            each = max(1, round(min(SLICE, total - made) / (batch * clients)))
            inputs.make(connection, product, run=rig.next_run(), batches=each * clients, size=batch)
            newest = one(connection, "SELECT coalesce(max(id), 0) FROM stock_reservation")
            before = _state(connection)
            outcome = rig.pgbench(Load({"batched": 1}, clients, "prepared", transactions=each))
            with shop.connect() as fresh:  # the sessions that ended have told of their statistics by now
                after = _state(fresh)
            count = one(connection, "SELECT count(*) FROM stock_reservation WHERE id > %s", [newest])
            if not count:
                raise ValueError(f"no reservation was made:\n{outcome.output[-2000:]}")
            for name, value in after.items():
                sums[name] = sums.get(name, 0) + int(value - before[name])
            made, seconds, errors = made + count, seconds + outcome.seconds, errors + outcome.errors
            rates.append(count / outcome.seconds)
            step(f"{made:,} of {total:,} reservations, the last {count:,} at {rates[-1]:,.0f}/s")
        sizes = connection.execute(_SIZES, {"tables": list(TABLES)}).fetchall()
    return Sustained(
        reservations=made,
        seconds=round(seconds, 2),
        reservations_per_s=round(made / seconds, 1),
        slices=Spread.of(rates),
        per_slice=[round(rate, 1) for rate in rates],
        clients=clients,
        batch=batch,
        errors=errors,
        deadlocks=sums["deadlocks"],
        wal_bytes_per_reservation=round(sums["wal"] / made, 1),
        blocks_hit_per_reservation=round(sums["blks_hit"] / made, 2),
        blocks_read_per_reservation=round(sums["blks_read"] / made, 4),
        hot_update_ratio=round(sums["n_tup_hot_upd"] / sums["n_tup_upd"], 4) if sums["n_tup_upd"] else None,
        size_bytes={name: size for name, size, _ in sizes},
    )


def _state(connection: psycopg.Connection) -> dict[str, Any]:
    cursor = connection.execute(_STATE)
    row = cursor.fetchone()
    assert row is not None
    return dict(zip([column.name for column in cursor.description or ()], row, strict=True))
