"""One file for each process, which only its user can read: a line a write, up to so many bytes."""

import logging
import os
import time
from pathlib import Path

logger = logging.getLogger(__name__)


class Sink:
    """Appends lines; never raises.

    Args:
        directory: Made if it is missing; files are named after process and time.
        max_bytes: Of one process's file; what comes after that is counted and not written.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._pid = 0
        self._file: int | None = None
        self._bytes = 0
        self.written = self.lost = 0

    def write(self, line: bytes) -> None:
        """Append a line, or count that it was lost; the first loss is logged."""
        try:
            if self._pid != os.getpid():
                self._open()
            if self._file is None or self._bytes + len(line) > self._max_bytes:
                self._lose("its file has the size that was allowed")
                return
            # A line cut by a full disk would be no JSON; the next begins on a line of its own.
            done = os.write(self._file, line)
            self._bytes += done
            if done < len(line):
                os.write(self._file, b"\n")
                self._lose("the disk took a part of a line")
                return
            self.written += 1
        except OSError as error:
            self._lose(str(error))

    def _open(self) -> None:
        """A forked process has a file of its own."""
        self._pid, self._file, self._bytes, self.written, self.lost = os.getpid(), None, 0, 0, 0
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"statements-{self._pid}-{time.time_ns()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def _lose(self, why: str) -> None:
        self.lost += 1
        if self.lost == 1:
            logger.warning("statements are not captured any more: %s", why)
