"""Run ``hotrow`` as a person does, and see in /proc what it started and what it left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROC = Path("/proc")
# Inherited by all that a test starts, however deep: web drops HOTROW_*, PostgreSQL PG*, not this.
MARK = "E2E_MARK"
POLL_INTERVAL_S = 0.02
TIMEOUT_S = 60.0


@dataclass(frozen=True, order=True)
class Process:
    """One process, told apart from a later one of the same number by its start."""

    pid: int
    started: str
    command: str = field(compare=False)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a zombie has ended."""
        found = _stat(self.pid)
        return found is not None and found[1] != "Z" and found[3] == self.started


def process(pid: int) -> Process | None:
    """The process of that number, None where there is none."""
    found = _stat(pid)
    if found is None or found[1] == "Z":
        return None
    return Process(
        pid, found[3], _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip() or found[0]
    )


def descendants(pid: int) -> set[Process]:
    """The children of a process, and theirs."""
    children: dict[int, list[int]] = {}
    for each in _pids():
        if found := _stat(each):
            children.setdefault(int(found[2]), []).append(each)
    reached, queue = set(), [pid]
    while queue:
        below = children.get(queue.pop(), [])
        queue += below
        reached |= {found for each in below if (found := process(each))}
    return reached


def belonging(mark: str, directory: Path) -> set[Process]:
    """The processes that carry the mark, name the directory in their arguments, or run below it."""
    name = os.fsencode(directory)
    found = set()
    for pid in _pids():
        is_marked = f"{MARK}={mark}".encode() in _read(pid, "environ").split(b"\0")
        arguments = _read(pid, "cmdline").split(b"\0")
        is_named = any(name == argument or name + b"/" in argument for argument in arguments)
        if (is_marked or is_named or _runs_below(pid, directory)) and (each := process(pid)):
            found.add(each)
    return found


def alive(processes: Iterable[Process]) -> list[Process]:
    return sorted(each for each in processes if each.is_alive)


def wait_until(is_so: Callable[[], Any], timeout_s: float = TIMEOUT_S, what: str = "") -> None:
    """Wait until ``is_so``, and fail the test when it takes longer."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(POLL_INTERVAL_S)


@dataclass(frozen=True)
class Finished:
    """What a command that has ended said, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass
class Command:
    """A running command; its output goes to files, so that what it leaves behind blocks nobody."""

    popen: subprocess.Popen[bytes]
    out: Path
    err: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def says(self, words: str, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the command has written these words to standard error."""

        def is_said() -> bool:
            if words in self.err.read_text():
                return True
            assert self.popen.poll() is None, f"ended without saying {words!r}: {self.err.read_text()}"
            return False

        wait_until(is_said, timeout_s, f"{words!r} was not said: {self.err.read_text()}")

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, timeout_s: float = TIMEOUT_S) -> Finished:
        code = self.popen.wait(timeout_s)
        return Finished(code, self.out.read_text(), self.err.read_text(), time.monotonic() - self.started)


class Hotrow:
    """One instance of the stack, driven through the command line."""

    def __init__(
        self,
        state: Path,
        instance: str,
        *,
        scratch: Path,
        python: str = sys.executable,
        env: dict[str, str] | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.state = state
        self.instance = instance
        self.root = state / instance
        self.scratch = scratch
        self.mark = uuid.uuid4().hex
        self._python = python
        self._options = options or {}
        self._env = {
            **os.environ,
            "HOTROW_STATE_DIR": str(state),
            "TMPDIR": str(scratch),
            MARK: self.mark,
            **(env or {}),
        }
        self._count = 0

    def start(
        self, command: str, *arguments: str, preexec: Callable[[], object] = lambda: None, **options: Any
    ) -> Command:
        """Start ``hotrow <command>`` on this instance and do not wait."""
        if command in {"up", "down", "status", "psql"}:
            arguments = ("--instance", self.instance, *arguments)
        self._count += 1
        # Beside the scratch directory: what is in that one, hotrow itself has put there.
        out, err = (self.scratch.with_name(f"{self.scratch.name}.{self._count}.{name}") for name in ("out", "err"))

        def prepare() -> None:
            # A shell starts what it runs in the background, tests too, with SIGINT ignored.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            preexec()

        with out.open("wb") as output, err.open("wb") as errors:
            popen = subprocess.Popen(
                [self._python, "-m", "tuning.cli.main", command, *arguments],
                env=self._env,
                preexec_fn=prepare,  # noqa: PLW1509  # tests run in one thread
                **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": errors, **self._options, **options},
            )
        return Command(popen, out, err)

    def run(self, command: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> Finished:
        return self.start(command, *arguments).wait(timeout_s)

    def up(self, *arguments: str) -> Finished:
        """Start the stack; it must succeed."""
        done = self.run("up", *arguments)
        assert done.code == 0, done.err
        return done

    def status(self) -> tuple[int, dict[str, Any]]:
        """The exit code and the record that ``hotrow status --json`` prints."""
        done = self.run("status", "--json")
        return done.code, json.loads(done.out)

    def record(self) -> dict[str, Any]:
        """The record as it is on disk now; empty where there is none."""
        with contextlib.suppress(OSError):
            found: dict[str, Any] = json.loads((self.root / "stack.json").read_text())
            return found
        return {}

    def pid(self, part: str) -> int:
        """The process of a part, as the record on disk knows it."""
        return next(int(each["pid"]) for each in self.record()["parts"] if each["name"] == part)

    def address(self, part: str) -> str:
        """Where a part answers, as the record on disk knows it."""
        return next(str(each["address"]) for each in self.record()["parts"] if each["name"] == part)

    def running(self) -> set[Process]:
        """All that this instance runs now."""
        return belonging(self.mark, self.root)

    def end(self) -> None:
        """End whatever a test left, and remove its files."""
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def stop(self) -> None:
        """End whatever a test left."""
        if self.running():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("down")
        for each in alive(self.running()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
        wait_until(lambda: not self.running(), what="the processes of a test were killed and go on")


@dataclass(frozen=True)
class Mounted:
    """A small file system of its own (tmpfs), for root alone."""

    directory: Path

    def mount(self, size_mib: int) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=711", "tmpfs", str(self.directory)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self, spare_kib: int = 0) -> None:
        """Shrink it to what is on it now and a little more: the disk is full from here on."""
        used_kib = shutil.disk_usage(self.directory).used // 1024
        while not self._resize(f"{used_kib + spare_kib}k"):
            used_kib = shutil.disk_usage(self.directory).used // 1024

    def resize(self, size_mib: int) -> None:
        assert self._resize(f"{size_mib}m")

    def _resize(self, size: str) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(self.directory)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.directory)], check=True)


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> tuple[str, str, str, str] | None:
    """Name, state, parent and start of a process (proc(5)); its name may hold anything."""
    try:
        name, _, rest = (PROC / str(pid) / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
    except OSError:
        return None
    fields = rest.split()
    return name, fields[0], fields[1], fields[19]


def _read(pid: int, file: str) -> bytes:
    try:
        return (PROC / str(pid) / file).read_bytes()
    except OSError:
        return b""


def _runs_below(pid: int, directory: Path) -> bool:
    try:
        return (PROC / str(pid) / "cwd").readlink().is_relative_to(directory)
    except OSError:
        return False
