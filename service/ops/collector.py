"""Copy the plain numbers of this worker to its instruments, every second: the one place that knows them all.

What is counted often is counted where it happens, in a plain number, and read here. A part that has
something to show adds a line to ``_collect``; a number that only grows goes through ``Growth``.
"""

import logging
import threading
import time
from typing import Any

from django.db import connections

from service.accounts import hashing
from service.cache.answers import answers
from service.db import replica
from service.front.counts import counts
from service.metrics import instruments
from service.stock import reservations
from service.stock.strategies import batched

logger = logging.getLogger(__name__)

# Some forty copies of 1 to 3 us each; Prometheus asks every 15 s or so.
INTERVAL_S = 1.0


class Growth:
    """Adds to a counter by how much a number of this process has grown."""

    def __init__(self) -> None:
        self._seen: dict[Any, float] = {}

    def add(self, counter: Any, number: float) -> None:
        """Count what was added to ``number`` since the last call.

        Args:
            counter: A counter without labels, or the child of one.
        """
        grown = number - self._seen.get(counter, 0)
        if grown > 0:
            counter.inc(grown)
        self._seen[counter] = number


def start() -> None:
    """Begin to copy, in a thread of this worker's own; under gevent that is a greenlet."""
    threading.Thread(target=_run, name="metrics", daemon=True).start()


def _run() -> None:
    growth = Growth()
    instruments.WORKERS.set(1)
    while True:
        try:
            _collect(growth)
        except Exception:
            # A number that cannot be read must not end the others for good.
            logger.exception("the metrics were not read")
        time.sleep(INTERVAL_S)


def _collect(growth: Growth) -> None:
    _front(growth)
    _pools(growth)
    _replica()
    instruments.LANE_WAITING.set(batched.waiting())
    for outcome, count in reservations.counts.items():
        growth.add(instruments.RESERVATIONS.labels(outcome), count)
    kept = answers()
    for source, count in kept.counts.items():
        growth.add(instruments.CACHE_ANSWERS.labels(source), count)
    instruments.CACHE_BREAKER_OPEN.set(kept.is_alone)
    pool = hashing.native_pool()
    if pool is not None:
        instruments.HASHES_UNDER_WAY.set(pool.under_way)


def _front(growth: Growth) -> None:
    instruments.REQUESTS_INSIDE.set(counts.inside)
    for reason, number in (("shed", counts.shed), ("expired", counts.expired), ("abandoned", counts.abandoned)):
        growth.add(instruments.REQUESTS_REFUSED.labels(reason), number)


def _replica() -> None:
    state = replica.state()
    if state is not None:
        instruments.REPLICA_AWAY.set(state.is_away)
        if state.lag_s is not None:
            instruments.REPLICA_LAG.set(state.lag_s)


def _pools(growth: Growth) -> None:
    for connection in connections.all():
        pool = getattr(connection, "pool", None)
        if pool is None:
            continue
        alias, told = connection.alias, pool.get_stats()
        size, available = told.get("pool_size", 0), told.get("pool_available", 0)
        instruments.POOL_CONNECTIONS.labels(alias, "used").set(size - available)
        instruments.POOL_CONNECTIONS.labels(alias, "free").set(available)
        instruments.POOL_WAITING.labels(alias).set(told.get("requests_waiting", 0))
        growth.add(instruments.POOL_REQUESTS.labels(alias), told.get("requests_num", 0))
        growth.add(instruments.POOL_QUEUED.labels(alias), told.get("requests_queued", 0))
        growth.add(instruments.POOL_WAIT_SECONDS.labels(alias), told.get("requests_wait_ms", 0) / 1000)
        growth.add(instruments.POOL_ERRORS.labels(alias), told.get("requests_errors", 0))
