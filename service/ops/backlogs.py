"""How far the work in the background is behind, as the database knows it; asked for by whoever scrapes.

The processes that do the work show no metrics of their own: one that is dead could not say that it is.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import connection
from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily

# Two servers that scrape, or one that hurries, cost the database one statement.
KEEP_S = 5.0
# Each part reads an index that holds nothing else. Beyond so many the number is "many".
MAX_COUNTED = 100_000

_BACKLOGS = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(expires_at)), 0)::float8,
       (SELECT count(*) FROM (SELECT FROM stock_outbox
                               WHERE delivered_at IS NULL AND dead_at IS NULL LIMIT %(max)s) AS o),
       (SELECT coalesce(greatest(extract(epoch FROM clock_timestamp() - min(next_attempt_at)), 0), 0)::float8
          FROM stock_outbox WHERE delivered_at IS NULL AND dead_at IS NULL),
       (SELECT count(*) FROM (SELECT FROM stock_outbox WHERE dead_at IS NOT NULL LIMIT %(max)s) AS d)
  FROM stock_reservation
 WHERE status IN ('held', 'paying') AND expires_at <= clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Backlogs:
    """``due_hold_age_s`` is how overdue the oldest hold is, ``event_delay_s`` the oldest event."""

    due_hold_age_s: float
    events: int
    event_delay_s: float
    dead_letters: int


class Watch:
    """Asks the database now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._found: Backlogs | None = None

    def metrics(self) -> Iterable[Metric]:
        """The backlogs; while the database does not answer, only that."""
        found = self._look()
        yield _gauge("hotrow_database_up", "Whether the database answered the scrape.", found is not None)
        if found is None:
            return
        yield _gauge("hotrow_due_hold_age_seconds", "How overdue the oldest hold is.", found.due_hold_age_s)
        yield _gauge("hotrow_outbox_events", "Events that are not delivered.", found.events)
        yield _gauge("hotrow_outbox_delay_seconds", "How overdue the oldest event is.", found.event_delay_s)
        yield _gauge("hotrow_outbox_dead_letters", "Events that were given up.", found.dead_letters)

    def _look(self) -> Backlogs | None:
        with self._lock:
            if time.monotonic() - self._asked_at > KEEP_S:
                self._found = _read()
                self._asked_at = time.monotonic()
            return self._found


def _read() -> Backlogs | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_BACKLOGS, {"max": MAX_COUNTED})
            return Backlogs(*cursor.fetchone())
    except DatabaseError:
        return None
    finally:
        # This is no request of Django's, which would end with it.
        connection.close()


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)
