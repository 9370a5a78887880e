"""How a worker ends: it serves on until others do, and finishes what it has.

gunicorn tells its workers of a stop and of a reload by the same signal. At a stop the load balancer has to see
first that this host is leaving. After a reload new workers serve the same address, once they have started, which
takes a second or more: gunicorn's own would leave that time to nobody.
"""

import mmap
import time
from collections.abc import Callable
from typing import Any

from service.front.counts import counts

# A worker that has not started by then will not; with what is inside it, this fits into gunicorn's graceful_timeout.
SUCCESSOR_WAIT_S = 10.0
_LOOK_INTERVAL_S = 0.1

# Made in the master when it reads the configuration, and shared with every worker that it forks: the number of reloads,
# and to which of them the newest worker that serves belongs.
_shared = mmap.mmap(-1, 2)
_RELOADS, _SERVES = 0, 1


def reloaded() -> None:
    """Count a reload; for gunicorn's hook ``on_reload``, in the master."""
    _shared[_RELOADS] = (_shared[_RELOADS] + 1) % 256


class Draining:
    """What the workers of every class have in common; mixed in before gunicorn's.

    ``drain_s`` is how long a worker that was told to stop still takes new connections.
    """

    drain_s: float = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # In the master, before the fork: reloads that come later replace this worker.
        self._reloads = _shared[_RELOADS]
        self._is_leaving = False

    def serves(self) -> None:
        """Tell older workers that this one has started; for gunicorn's hook ``post_worker_init``."""
        _shared[_SERVES] = self._reloads

    def handle_exit(self, number: int, frame: Any) -> None:
        """gunicorn's handler of SIGTERM. A worker that is leaving already goes on with that."""
        if self._is_leaving:
            return
        self._is_leaving = True

        def leave() -> None:
            super(Draining, self).handle_exit(number, frame)  # type: ignore[misc]  # of gunicorn's worker

        if self._reloads != _shared[_RELOADS]:
            self._leave_when_replaced(leave, time.monotonic() + SUCCESSOR_WAIT_S)
            return
        counts.is_draining = True
        if self.drain_s:
            self.call_later(self.drain_s, leave)
        else:
            leave()

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it in this worker's way, without waiting."""
        raise NotImplementedError

    def _leave_when_replaced(self, leave: Callable[[], None], latest: float) -> None:
        if _shared[_SERVES] != self._reloads or time.monotonic() > latest:
            leave()
        else:
            self.call_later(_LOOK_INTERVAL_S, lambda: self._leave_when_replaced(leave, latest))
