"""Watch a system while something runs in it, and write one timeline: ``with Watch(targets, path) as watch:``.

The sources are asked in a process of their own (``python -m tuning.observe.watcher``), so that the caller does not
disturb them, and what they cost can be measured. It ends with the caller, whatever becomes of that.
"""

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tuning.observe.targets import Targets
from tuning.timeline import Source

__all__ = ["Overhead", "Targets", "Watch", "WatchError"]

# Sources that do not answer are given up before this: see sampling/loop.py.
READY_TIMEOUT_S = 30.0
END_TIMEOUT_S = 15.0


class WatchError(ValueError):
    """Nothing can be written; the message says why."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """What watching cost from the first sample to the last, its start left out.

    ``cpu_s`` is the watcher's own, ``core_share`` of one core (0-1). ``database_s`` is the time of its statements in
    PostgreSQL, waits included, and ``database_share`` its part of the time that all sessions of that database spent in
    statements; None where that cannot be read.
    """

    seconds: float
    cpu_s: float
    core_share: float
    database_s: float = 0.0
    database_share: float | None = None


class Watch:
    """Watch ``targets`` for the length of the block, and write the timeline to ``path``.

    ``sources`` says what is watched and what is not. ``overhead`` is there afterwards, and None where the watcher did
    not end in good order; ``problem`` then says why, in a sentence: what was written until then is kept.

    Raises:
        WatchError: On entering: the file cannot be written, or the watcher does not start.
    """

    def __init__(self, targets: Targets, path: Path) -> None:
        self.targets = targets
        self.path = path
        self.sources: tuple[Source, ...] = ()
        self.overhead: Overhead | None = None
        self.problem: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by _end

    def __enter__(self) -> "Watch":
        try:
            self.path.touch()
        except OSError as error:
            raise WatchError(f"{self.path} cannot be written: {error.strerror}") from error
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "tuning.observe.watcher", str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # a Ctrl-C is the caller's: it then closes the watcher's input
        )
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(self.targets.as_json() + "\n")
                process.stdin.flush()
            answer = self._answer(READY_TIMEOUT_S)
        except BaseException:
            self._end()
            raise
        if answer is None:
            self._end()
            raise WatchError(f"the watcher did not start: {self.problem}")
        self.sources = tuple(Source(**source) for source in answer["sources"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            answer = self._answer(END_TIMEOUT_S)
            if answer is not None:
                self.problem = answer.pop("problem")
                self.overhead = Overhead(**answer)
        finally:
            self._end()

    @property
    def is_running(self) -> bool:
        """Whether the watcher is still there; it ends early where the file cannot be written."""
        return self._process is not None and self._process.poll() is None

    def _answer(self, timeout_s: float) -> dict[str, Any] | None:
        """The watcher's next line; None, with ``problem`` set, where there is none in time."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            self.problem = f"it did not answer within {timeout_s:.0f} s"
            return None
        line = process.stdout.readline()
        if not line:
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
            self.problem = last[0] if last else "it ended without a word"
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        process = self._process
        assert process is not None
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        try:
            process.wait(END_TIMEOUT_S if self.problem is None else 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._errors.close()
