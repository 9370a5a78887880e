"""What is known of an instance while it runs: its lock, and a record that other processes read."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuning.stack.errors import StackError
from tuning.stack.paths import InstancePaths
from tuning.stack.secrets import write_private

_LOCK_TRIES = 10
_LOCK_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack; ``state`` is running, ended or absent."""

    name: str
    state: str
    address: str = ""
    version: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """``state`` is starting, ready, failed or stopped; ``pid`` is the process that watches."""

    instance: str
    profile: str
    state: str
    pid: int
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    message: str = ""
    postgres_bin: str = ""
    """The directory of another PostgreSQL than the embedded one, for whoever starts the instance again."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def write(path: Path, record: Record) -> None:
    write_private(path, json.dumps(record.as_json(), indent=2))


def read(path: Path) -> Record | None:
    """The last record of an instance; None where there never was one or it is unreadable."""
    try:
        found = json.loads(path.read_text())
        return Record(**{**found, "parts": [Part(**part) for part in found["parts"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextlib.contextmanager
def exclusive(paths: InstancePaths) -> Iterator[None]:
    """Hold the instance; the lock goes with the process, so a killed one leaves none behind.

    Raises:
        StackError: Another process holds it, or the state directory cannot be written.
    """
    try:
        # The servers' user passes through these two, and reads nothing in them.
        for directory in (paths.root.parent, paths.root):
            if not directory.exists():
                directory.mkdir(parents=True, exist_ok=True)
                directory.chmod(0o711)
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(f"{paths.root} cannot be used: {error.strerror}; set HOTROW_STATE_DIR") from error
    try:
        if not _lock(descriptor):
            holder = read(paths.record)
            who = f" (pid {holder.pid})" if holder else ""
            raise StackError(
                f"instance {paths.root.name} is running already{who}: "
                f"`hotrow down --instance {paths.root.name}` ends it"
            )
        yield
    finally:
        os.close(descriptor)


def is_held(paths: InstancePaths) -> bool:
    """Whether a process holds the instance now."""
    try:
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int) -> bool:
    """Take the lock; one who asks :func:`is_held` has it for a moment, and is waited for."""
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_LOCK_INTERVAL_S)
    return False
