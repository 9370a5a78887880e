"""Open arrivals: when each request is due, whatever became of those before it.

A user who waits for an answer before asking again asks less while the server is slow, and so hides a stall. Here
requests are due at a fixed rate, and one that no user was free to send in time counts its wait.
"""

import threading
import time


class Schedule:
    """Requests at ``rate_per_s``, taken by any number of users of one process.

    Args:
        phase: The part of an interval (0-1) by which this process is behind the first.
    """

    def __init__(self, rate_per_s: float, phase: float = 0.0) -> None:
        self._interval_s = 1 / rate_per_s
        self._phase_s = phase * self._interval_s
        self._began = threading.Event()
        self._begin = 0.0
        self._taken = 0

    def begin(self, now: float) -> None:
        """From now on requests are due; s since the epoch."""
        if not self._began.is_set():
            self._begin = now + self._phase_s
            self._began.set()

    def take(self) -> float:
        """When the next request is due, s since the epoch; waits for the beginning."""
        self._began.wait()
        due = self._begin + self._taken * self._interval_s
        self._taken += 1
        return due

    def unsent(self, now: float) -> int:
        """Requests that were due by now and that no user was free to take."""
        if not self._began.is_set() or now < self._begin:
            return 0
        return max(0, int((now - self._begin) / self._interval_s) + 1 - self._taken)

    @staticmethod
    def wait_s(due: float) -> float:
        return max(0.0, due - time.time())
