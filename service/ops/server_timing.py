"""The Server-Timing header: where the time of one request went, for developers' tools in a browser."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from service.db import statements
from service.db.statements import Statement
from service.metrics.timings import spent


class Timing:
    """Collects the parts of one request; ``header`` writes them."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._statements = 0
        self._waited_ms = _waited_ms()

    @contextmanager
    def watching(self) -> Iterator[None]:
        token = spent.set(self._seconds)
        try:
            with statements.watching(self._count):
                yield
        finally:
            spent.reset(token)

    def header(self, total_s: float) -> str:
        """The header's value, in milliseconds.

        ``pool`` is what all requests of the worker waited meanwhile; alone, it is this one's. ``cache``
        holds the computation of an answer that was missing.
        """
        pool_ms = _waited_ms() - self._waited_ms
        db_ms = self._seconds["db"] * 1000
        return (
            f'app;dur={total_s * 1000:.1f}, db;dur={db_ms:.1f};desc="{self._statements} statements"'
            f", pool;dur={pool_ms:.1f}, cache;dur={self._seconds['cache'] * 1000:.1f}"
        )

    def _count(self, statement: Statement) -> None:
        self._seconds["db"] += statement.duration_s
        self._statements += 1


def _waited_ms() -> float:
    pools = [pool for each in connections.all() if (pool := getattr(each, "pool", None)) is not None]
    return float(sum(pool.get_stats().get("requests_wait_ms", 0) for pool in pools))
