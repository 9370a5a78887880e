"""What PgBouncer's totals say of its pools.

``cl_active`` counts clients that are idle too, so it never tells that a pool is busy (PgBouncer's usage.md, SHOW
POOLS); the totals do. ``avg_wait_time`` was wrong before 1.23 (its issue 727), the totals were not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuning.diagnose.evidence.counters import growth, mean
from tuning.timeline import Sample

# SHOW STATS_TOTALS counts in us.
US = 1e6
_TIMES = ("xact_time", "query_time", "wait_time")


@dataclass(frozen=True, slots=True)
class Pool:
    database: str
    size: float
    transactions: float
    utilisation: float
    """Share of its servers' time in transactions: d(total_xact_time) / (dt x pool_size)."""
    queue: float
    """Clients that waited for a server on average: d(total_wait_time) / dt."""
    queue_sampled: float
    """The same from samples of cl_waiting."""
    full: float
    """Share of the samples in which a client waited and no server was idle."""
    wait_s: float
    """All waits together."""
    xact_s: float
    query_s: float

    @property
    def client_share(self) -> float:
        """Share of the transactions' time in which the client thought."""
        return max(1 - self.query_s / self.xact_s, 0.0) if self.xact_s else 0.0


def pools(samples: Sequence[Sample]) -> tuple[Pool, ...] | None:
    """Reduce POOLER, the pool with the longest queue first; None with fewer than two samples."""
    if len(samples) < 2 or samples[-1].t <= samples[0].t:
        return None
    seconds = samples[-1].t - samples[0].t
    names = sorted({name for sample in samples for name in sample.data.get("totals") or {} if name != "pgbouncer"})
    found = [_pool(name, samples, seconds) for name in names]
    return tuple(sorted((pool for pool in found if pool.size), key=lambda pool: -pool.queue))


def _pool(name: str, samples: Sequence[Sample], seconds: float) -> Pool:
    totals = [sample.data["totals"][name] for sample in samples if name in sample.data["totals"]]
    grown = {key: growth([_total(each, key) for each in totals]) for key in ("xact_count", *_TIMES)}
    moments = [[row for row in sample.data["pools"] if row["database"] == name] for sample in samples]
    # The user of auth_query has a pool of its own, which rests.
    busy = {row.get("user") for rows in moments for row in rows if row["cl_waiting"] or row["sv_active"]}
    moments = [[row for row in rows if row.get("user") in busy or not busy] for rows in moments]
    size = max((sum(float(row.get("pool_size") or 0) for row in rows) for rows in moments), default=0.0)
    waiting = [sum(float(row["cl_waiting"]) for row in rows) for rows in moments]
    idle = [sum(float(row["sv_idle"]) for row in rows) for rows in moments]
    xact_s = grown["xact_time"] / US
    return Pool(
        database=name,
        size=size,
        transactions=grown["xact_count"],
        utilisation=xact_s / (seconds * size) if size else 0.0,
        queue=grown["wait_time"] / US / seconds,
        queue_sampled=mean(waiting),
        full=mean(float(queued > 0 and free == 0) for queued, free in zip(waiting, idle, strict=True)),
        wait_s=grown["wait_time"] / US,
        xact_s=xact_s,
        query_s=grown["query_time"] / US,
    )


def _total(row: Mapping[str, Any], key: str) -> float:
    """SHOW STATS says total_xact_time, SHOW STATS_TOTALS xact_time."""
    return float(row.get(f"total_{key}", row.get(key, 0)))
