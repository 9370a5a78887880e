"""The one clock and the one file of all sources."""

import threading
import time
from typing import Any, TextIO

from tuning.timeline import Header, Writer


class Recorder:
    """Takes samples from many threads; ``t`` is when a sample came in, so the file is in the order of its times.

    Nothing is written before ``begin``. ``problem`` says why the file could not be written.
    """

    def __init__(self, file: TextIO) -> None:
        self.problem: str | None = None
        self._file = file
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._start = 0.0

    def begin(self, header: Header) -> None:
        with self._lock:
            self._start = time.monotonic()
            self._writer = Writer(self._file, header)
            self._file.flush()

    def add(self, kind: str, data: dict[str, Any]) -> None:
        with self._lock:
            if self._writer is None:
                return
            try:
                self._writer.add(time.monotonic() - self._start, kind, data)
            except OSError as error:
                self._fail(error)

    def flush(self) -> None:
        """Bring to the file what came in; what a crash takes is younger."""
        with self._lock:
            if self._writer is not None:
                try:
                    self._file.flush()
                except OSError as error:
                    self._fail(error)

    def end(self) -> None:
        """Take no further sample."""
        self.flush()
        with self._lock:
            self._writer = None

    def _fail(self, error: OSError) -> None:
        self.problem = f"the timeline could not be written any further: {error.strerror}"
        self._writer = None
