"""The sweeper: end due holds, so that their units are free for those who only look.

A reservation that needs the units of a due hold takes them itself; the sweeper keeps the counters
and the waiting list current. Any number may run: each skips what another has locked.
"""

import logging
import threading
from dataclasses import dataclass

from django.db import connection

from service.db.retries import repeated

logger = logging.getLogger(__name__)

# Without --once a sweeper outlives any outage; a single sweep says soon that it cannot work.
TRIES_ONCE = 5

_LAG = (
    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(expires_at)), 0)::float8 FROM stock_reservation"
    " WHERE status IN ('held', 'paying') AND expires_at <= clock_timestamp()"
)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one pass did; ``lag_s`` is how overdue the oldest due hold was when it began."""

    ended: int
    lag_s: float


class Sweeper:
    """Ends due holds until it is stopped.

    Args:
        batch_size: Holds in one statement, 1 to 10,000; their rows are locked until it is committed.
        stop: Set it to end after the current statement.
    """

    def __init__(self, batch_size: int, stop: threading.Event) -> None:
        self._batch_size = batch_size
        self._stop = stop

    def run(self, interval_s: float) -> None:
        """Sweep, sleep and sweep again, through any outage, until stopped."""
        while not self._stop.is_set():
            self.sweep()
            self._stop.wait(interval_s)

    def sweep(self, tries: int | None = None) -> Sweep:
        """End what is due, batch by batch; each is a transaction of its own.

        Raises:
            django.db.Error: A statement failed for a reason that does not pass, or ``tries`` times.
        """
        lag_s = repeated(_lag_s, self._stop.wait, tries=tries) or 0.0
        ended = 0
        while not self._stop.is_set():
            count = repeated(self._expire, self._stop.wait, tries=tries) or 0
            ended += count
            if count < self._batch_size:
                break
        if ended:
            logger.info("ended %d holds; the oldest was %.1f s overdue", ended, lag_s)
        return Sweep(ended, lag_s)

    def _expire(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT expire_reservations_v1(%s)", [self._batch_size])
            return int(cursor.fetchone()[0])


def _lag_s() -> float:
    with connection.cursor() as cursor:
        cursor.execute(_LAG)
        return float(cursor.fetchone()[0])
