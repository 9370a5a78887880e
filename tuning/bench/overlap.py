"""Batches and single calls over the same keys and products at a time: nobody may deadlock or fail."""

import time
from dataclasses import dataclass

from tuning.bench import inputs
from tuning.bench.pgbench import Load
from tuning.bench.rig import Rig, one
from tuning.bench.shop import Shop

CLIENTS = 8
PRODUCTS = 20
BATCHES = 2_000
SIZE = 200
KEYS = 20_000
# Batches for each single call: both meet the same keys.
WEIGHTS = {"overlap_batch": 3, "overlap_call": 1}


@dataclass(frozen=True, slots=True)
class Overlap:
    """``requests`` is about how many were asked for; most of them were replays or key conflicts."""

    clients: int
    seconds: float
    transactions: int
    requests: int
    reservations: int
    errors: int
    deadlocks: int


def run(rig: Rig, shop: Shop, seconds: int) -> Overlap:
    """Let eight clients reserve out of the same 2,000 batches of 200, over 20 products and 200,000 keys."""
    products = shop.products("overlap", PRODUCTS)
    with shop.connect() as connection:
        inputs.make_overlapping(connection, products, batches=BATCHES, size=SIZE, keys=KEYS)
        newest = one(connection, "SELECT coalesce(max(id), 0) FROM stock_reservation")
        statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        deadlocks = one(connection, statement)
        variables = {"batches": BATCHES, "size": SIZE}
        outcome = rig.pgbench(Load(WEIGHTS, CLIENTS, "prepared", seconds=seconds, variables=variables))
        time.sleep(1)  # the statistics of the sessions that ended
        share = WEIGHTS["overlap_batch"] / sum(WEIGHTS.values())
        return Overlap(
            clients=CLIENTS,
            seconds=round(outcome.seconds, 2),
            transactions=outcome.transactions,
            requests=round(outcome.transactions * (share * SIZE + 1 - share)),
            reservations=one(connection, "SELECT count(*) FROM stock_reservation WHERE id > %s", [newest]),
            errors=outcome.errors,
            deadlocks=one(connection, statement) - deadlocks,
        )
