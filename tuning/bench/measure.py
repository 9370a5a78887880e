"""Measure one row once: prepare, run pgbench, and count in the database what was reserved."""

import time
from dataclasses import dataclass

import psycopg

from tuning.bench import inputs, pgbench
from tuning.bench.inputs import Supply
from tuning.bench.matrix import NOTHING, Case
from tuning.bench.pgbench import Load, Outcome
from tuning.bench.rig import Rig, one
from tuning.bench.shop import Range, Shop, units_of_rows

# How often inputs that ran out are made anew for one measurement.
TRIES = 4
_NEWEST = "SELECT coalesce(max(id), 0) FROM {table}"
_COUNT = "SELECT count(*) FROM {table} WHERE id > %s"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# A session tells of its statistics when it ends, and PgBouncer's idle ones within a second.
_STATISTICS_S = 0.2


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. ``count`` is the reservations in the database, or the calls that are to make none."""

    count: int
    seconds: float
    transactions: int
    errors: int
    deadlocks: int

    @property
    def rate(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


class Meter:
    """Measures rows in one shop."""

    def __init__(self, rig: Rig, shop: Shop) -> None:
        self._rig = rig
        self._shop = shop
        self._supply = Supply()

    def measure(self, case: Case, seconds: int) -> Sample:
        """Run one row for so many seconds; what prepares it is outside of them."""
        products = self._shop.target(case, seconds)
        with self._shop.connect() as connection:
            if not case.batch:
                return self._counted(connection, case, products, seconds)
            sample = Sample(0, 0, 0, 0, 0)
            for _ in range(TRIES):
                batches = self._supply.batches(case, case.batch, seconds)
                run = self._rig.next_run()
                inputs.make(connection, products, run=run, batches=batches, size=case.batch)
                sample = self._counted(connection, case, products, seconds)
                used = inputs.used(connection)
                if used <= batches:
                    self._supply.learn(case, case.batch, used * case.batch / seconds)
                    return sample
                self._supply.double(case, case.batch)
            self._rig.notes.append(f"{case.title}: the prepared batches ran out, so the rate is a lower bound")
            return sample

    def _counted(self, connection: psycopg.Connection, case: Case, products: Range, seconds: int) -> Sample:
        table = "neveroversell.nos_hold_events" if case.strategy == "neveroversell" else "stock_reservation"
        newest = one(connection, _NEWEST.format(table=table))
        deadlocks = one(connection, _DEADLOCKS)
        outcome = self._run(case, products, seconds)
        time.sleep(_STATISTICS_S)
        made = one(connection, _COUNT.format(table=table), [newest])
        if case.strategy == "units" and made >= units_of_rows(seconds):
            self._rig.notes.append(f"{case.title}: every unit was sold, so the rate is a lower bound")
        if case.refused and made:
            self._rig.notes.append(f"{case.title}: {made} reservations of a product that is sold out")
        return Sample(
            count=outcome.transactions if case.refused or case.strategy == NOTHING else made,
            seconds=outcome.seconds,
            transactions=outcome.transactions,
            errors=outcome.errors,
            deadlocks=one(connection, _DEADLOCKS) - deadlocks,
        )

    def _run(self, case: Case, products: Range, seconds: int) -> Outcome:
        call = "function" if case.strategy in ("function", "buckets", "units") else case.strategy
        variables = {"n": 0, "run": self._rig.next_run(), "first": products.first, "last": products.last}
        load = Load(
            scripts={call: 1},
            clients=case.clients,
            protocol=self.protocol(case),
            seconds=seconds,
            variables=variables,
            settings={"synchronous_commit": "off"} if case.synchronous_commit == "off" else None,
        )
        return self._rig.pgbench(load, path=case.path)

    def protocol(self, case: Case) -> str:
        """How pgbench speaks to the server for this row."""
        return pgbench.protocol(case.path, self._rig.pgbouncer)
