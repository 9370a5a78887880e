"""A breaker around Redis: after a few failures nobody asks it, until it answers a probe in the background."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from service.cache.redis import StoreAway

logger = logging.getLogger(__name__)

# In a row. At 200 requests/s that is reached as soon as the first of them have timed out.
FAILURES = 3
# As slow as this is as bad as away: an answer from the database takes a few milliseconds.
SLOW_S = 0.05
# Recovery is noticed this long after it at the most, and no request is used to notice it.
PROBE_INTERVAL_S = 0.5

T = TypeVar("T")


class Breaker:
    """Counts failures in a row.

    Args:
        probe: Asks Redis, and does what must be done before it is used again; raises :exc:`StoreAway`.
        on_open: Called once whenever the breaker opens.
    """

    def __init__(self, probe: Callable[[], None], on_open: Callable[[], None] = lambda: None) -> None:
        self._probe, self._on_open = probe, on_open
        self._lock = threading.Lock()
        self._failures = 0
        self.is_open = False

    def call(self, ask: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Ask Redis.

        Raises:
            StoreAway: It failed, or the breaker is open and it was not asked.
        """
        if self.is_open:
            raise StoreAway("the breaker is open")
        began = time.monotonic()
        try:
            told = ask(*arguments, **options)
        except StoreAway as error:
            self._count(str(error))
            raise
        if time.monotonic() - began > SLOW_S:
            self._count("it is slow")
        else:
            self._failures = 0
        return told

    def _count(self, why: str) -> None:
        with self._lock:
            self._failures += 1
            if self.is_open or self._failures < FAILURES:
                return
            self.is_open = True
        logger.warning("Redis is left alone (%s): answers are kept in this process meanwhile", why)
        self._on_open()
        threading.Thread(target=self._heal, name="cache-probe", daemon=True).start()

    def _heal(self) -> None:
        while True:
            time.sleep(PROBE_INTERVAL_S)
            began = time.monotonic()
            try:
                self._probe()
            except StoreAway:
                continue
            if time.monotonic() - began <= SLOW_S:
                break
        with self._lock:
            self._failures = 0
            self.is_open = False
        logger.info("Redis is used again")
