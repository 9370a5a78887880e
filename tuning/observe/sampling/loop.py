"""Ask one source again and again, and go on when it fails: what one source does disturbs no other."""

import threading
import time

import psycopg

from tuning.observe.sampling.recorder import Recorder
from tuning.observe.sampling.source import ANSWER_TIMEOUT_S, Sampler, Unwatchable
from tuning.timeline import LOST, Source

# Between two tries to reach a source again.
RETRY_S = 0.5
FAILURES = (OSError, psycopg.Error, Unwatchable, ValueError, TypeError, LookupError, ArithmeticError)
"""A server that dies in the middle of an answer, or is of a version yet to come, is not understood: that is told."""


class Loop:
    """A thread for one source: ``begin`` opens it, ``run`` lets it sample, ``stop`` has it take the last sample.

    The file's own time is the recorder's. ``spent_s`` is the time that the source's answers took.
    """

    def __init__(self, sampler: Sampler, recorder: Recorder) -> None:
        self.sampler = sampler
        self.spent_s = 0.0
        self._recorder = recorder
        self._opened = threading.Event()
        self._may_run = threading.Event()
        self._stopping = threading.Event()
        self._reason: str | None = None
        self._is_open = False
        self._is_lost = False
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._work, name=sampler.name, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    @property
    def is_opened(self) -> bool:
        """Whether opening it has ended, well or not."""
        return self._opened.is_set()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def opened(self) -> Source:
        """What came of opening it, as the header tells."""
        if not self._opened.is_set():
            return Source(self.sampler.name, f"it did not answer within {ANSWER_TIMEOUT_S:.0f} s")
        if self._reason is not None:
            return Source(self.sampler.name, self._reason)
        return Source(self.sampler.name, self.sampler.partly, self.sampler.interval_s)

    def run(self) -> None:
        self._may_run.set()

    def stop(self) -> None:
        self._stopping.set()
        self._may_run.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(max(timeout_s, 0))

    def check(self) -> None:
        """End a call that hangs."""
        since = self._busy_since
        if since is not None and time.monotonic() - since > ANSWER_TIMEOUT_S:
            self.sampler.interrupt()

    def _work(self) -> None:
        self._reason = self._open()
        self._opened.set()
        self._may_run.wait()
        # Who was not there at the start has its reason in the header.
        self._is_lost = not self._is_open
        is_edge = True
        due = time.monotonic()
        while not self._stopping.is_set():
            if self._take(is_edge=is_edge):
                is_edge = False
                due = max(due + self.sampler.interval_s, time.monotonic())
            else:
                due = time.monotonic() + max(RETRY_S, self.sampler.interval_s)
            self._stopping.wait(due - time.monotonic())
        if self._is_open:
            self._take(is_edge=True)
        self._close()

    def _open(self) -> str | None:
        """Open the source; why it cannot be, where it cannot."""
        self._busy_since = time.monotonic()
        try:
            self.sampler.open()
        except FAILURES as error:
            self._close()
            return told(error)
        finally:
            self._busy_since = None
        self._is_open = True
        return None

    def _take(self, *, is_edge: bool) -> bool:
        if not self._is_open and self._open() is not None:
            return False
        self._busy_since = started = time.monotonic()
        try:
            for kind, data in self.sampler.sample(is_edge=is_edge):
                self._recorder.add(kind, data)
        except FAILURES as error:
            took_s = time.monotonic() - started
            self._close()
            if not self._is_lost:
                reason = f"it did not answer within {took_s:.0f} s" if took_s > ANSWER_TIMEOUT_S else told(error)
                self._recorder.add(LOST, {"source": self.sampler.name, "reason": reason})
            self._is_lost = True
            return False
        finally:
            self._busy_since = None
            self.spent_s += time.monotonic() - started
        self._is_lost = False
        return True

    def _close(self) -> None:
        self._is_open = False
        self.sampler.close()


def told(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    message = " ".join(str(error).split())
    if isinstance(error, psycopg.Error | Unwatchable) and message:
        return message
    return f"its answer is not understood: {type(error).__name__} {message}"
