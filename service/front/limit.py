"""How many requests may be inside a worker at a time.

By Little's law that is what the worker serves in a second times how long a request may take: more of them make every
answer later, and none more. The first is not known beforehand (it is 1,000 or 50, as the processor or one row is the
bound) and changes with the load, so the limit follows the second, which is measured: it shrinks while requests take
longer than ``TARGET_S`` on average, and grows while they do not.
"""

import time
from functools import cache

from service.config.environment import environment
from service.front.counts import counts

# A fifth of the second that a buyer takes for an answer: where one row is the bound, the slowest of a hundred requests
# takes about five times the average.
TARGET_S = 0.2
# Where not even so few are served in time, it is not their number that makes them late.
LEAST = 4
INTERVAL_S = 0.25
# A step up is small, since it is tried out on buyers; a step down is as large as it must be, to the half at the most.
GROWTH = 1.25
SHRINKING = 0.5


class Limit:
    """Follows what requests take; its caller keeps two threads from calling it at once.

    Args:
        most: The limit at the start, and the largest; 0 is no limit.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = most
        self._took_s = 0.0
        self._ended = 0
        self._next_s = time.monotonic() + INTERVAL_S

    def ended(self, took_s: float, now_s: float) -> None:
        """Count a request that took so long, at this moment of the monotonic clock."""
        self._took_s += took_s
        self._ended += 1
        if now_s < self._next_s or not self._most:
            return
        average_s = self._took_s / self._ended
        if average_s > TARGET_S:
            self.now = max(min(LEAST, self._most), int(self.now * max(SHRINKING, TARGET_S / average_s)))
        else:
            self.now = min(self._most, int(self.now * GROWTH) + 1)
        self._took_s, self._ended, self._next_s = 0.0, 0, now_s + INTERVAL_S

    def is_full(self) -> bool:
        """Whether as many requests are inside as may be."""
        return 0 < self.now <= counts.inside

    def is_half_full(self) -> bool:
        """Whether enough are inside that others may have waited."""
        return 0 < self.now <= 2 * counts.inside


@cache
def limit() -> Limit:
    """The limit of this process."""
    return Limit(environment().max_in_flight)
