"""How a worker ends: it says that it is not ready, serves on for a while, and finishes what it has.

gunicorn tells its workers of a stop and of a reload by the same signal. After a reload the new workers
serve the same address, so the old ones end at once; at a stop the load balancer has to see first that
this host is leaving.
"""

import mmap
from typing import Any

from service.front.counts import counts

# Made in the master when it reads the configuration, and shared with every worker that it forks.
_reloads = mmap.mmap(-1, 1)


def reloaded() -> None:
    """Count a reload; for gunicorn's hook ``on_reload``, in the master."""
    _reloads[0] = (_reloads[0] + 1) % 256


class Draining:
    """What the workers of every class have in common; mixed in before gunicorn's.

    ``drain_s`` is how long a worker that was told to stop still takes new connections.
    """

    drain_s: float = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # In the master, before the fork: reloads that come later replace this worker.
        self._reloads_before = _reloads[0]

    def handle_exit(self, number: int, frame: Any) -> None:
        """gunicorn's handler of SIGTERM. A stop that is asked for again is no other stop."""
        if self._reloads_before != _reloads[0] or not self.drain_s:
            counts.is_draining = counts.is_draining or self._reloads_before == _reloads[0]
            super().handle_exit(number, frame)  # type: ignore[misc]  # of gunicorn's worker
        elif not counts.is_draining:
            counts.is_draining = True
            self.call_later(self.drain_s, lambda: super(Draining, self).handle_exit(number, frame))  # type: ignore[misc]

    def call_later(self, seconds: float, call: Any) -> None:
        """Call it in this worker's way, without waiting."""
        raise NotImplementedError
