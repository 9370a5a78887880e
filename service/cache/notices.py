"""Tell Redis what has changed, in the background: whoever changes something never waits for Redis.

Changes that come while a notice is under way, or shortly after it, go with the next one.
"""

import atexit
import threading
import time
from collections.abc import Callable, Mapping

from service.cache.redis import StoreAway

# A notice costs a worker 0.1 ms. With 50 a second it spends half a percent of its time on them,
# however many reservations it makes, and other processes know of a change after 20 ms.
PAUSE_S = 0.02
# While Redis is away; the breaker keeps these tries from costing anything.
RETRY_S = 0.2
# What is forgotten beyond this is fresh again when it is kept no longer: after 10 s.
MAX_PENDING = 10_000

Send = Callable[[dict[str, int]], None]


class Notices:
    """Collects tags with the positions of their changes and sends them; raises nothing.

    Args:
        send: Bumps tags in Redis; raises :exc:`StoreAway`.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._told = threading.Condition()
        self._pending: dict[str, int] = {}
        self._sending: dict[str, int] = {}
        self._wake = threading.Event()
        self._one_sender = threading.Lock()
        self._is_running = False

    def add(self, tags: Mapping[str, int]) -> None:
        with self._told:
            for tag, position in tags.items():
                self._pending[tag] = max(position, self._pending.get(tag, 0))
            while len(self._pending) > MAX_PENDING:
                del self._pending[next(iter(self._pending))]
            if not self._is_running:
                self._is_running = True
                atexit.register(self.flush)
                threading.Thread(target=self._run, name="cache-notices", daemon=True).start()
        if not self._wake.is_set():
            self._wake.set()

    def is_told(self, tag: str, wait_s: float) -> bool:
        """Whether Redis knows of every change of this tag; waits so long for it to be told."""
        if tag not in self._pending and tag not in self._sending:
            return True
        with self._told:
            return self._told.wait_for(lambda: tag not in self._pending and tag not in self._sending, wait_s)

    def flush(self, send: Send | None = None) -> bool:
        """Send what there is now; whether Redis took it.

        Args:
            send: Another way to it, past a breaker that is open.
        """
        with self._one_sender:
            with self._told:
                self._sending, self._pending = self._pending, {}
            try:
                if self._sending:
                    (send or self._send)(self._sending)
            except StoreAway:
                with self._told:
                    for tag, position in self._sending.items():
                        self._pending[tag] = max(position, self._pending.get(tag, 0))
                    self._sending = {}
                return False
            with self._told:
                self._sending = {}
                self._told.notify_all()
            return True

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self.flush():
                time.sleep(PAUSE_S)
            else:
                time.sleep(RETRY_S)
                self._wake.set()
