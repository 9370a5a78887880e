"""Start a server process, wait until it is ready, and end it with all that it started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuning.stack.accounts import Account
from tuning.stack.errors import PartDied, StackError

READY_TIMEOUT_S = 60.0
# Between two looks at a server that is starting; its death is noticed at once.
PROBE_INTERVAL_S = 0.05
STOP_TIMEOUT_S = 15.0
# gunicorn's workers lose a signal that comes while they start, and it would wait 20 s for them.
REMINDER_INTERVAL_S = 2.0
# A killed process is gone at once, unless the kernel is busy on its behalf.
KILL_TIMEOUT_S = 5.0
LOG_TAIL_LINES = 12
# These ask this process to end, and with it everything that it started.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_PROC = Path("/proc")


@contextlib.contextmanager
def undisturbed() -> Iterator[set[int]]:
    """Hold back the ending signals until the block is left: what is begun in it is not left half done.

    Yields:
        The signals that were held back before; a process that starts meanwhile inherits the rest.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(slots=True)
class Child:
    """A process of the stack, leader of its own process group."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals
    home: Path | None = None
    """The directory that this program's processes run in: PostgreSQL's leave the group."""
    program: str = ""
    _stopping: bool = field(default=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self, wait_s: float = 0) -> int | None:
        """How the process ended, once it has; None when it still runs after this time."""
        return exit_code(self.process, wait_s)

    def check(self) -> None:
        """Raise :exc:`PartDied` if the process ended without being asked to."""
        code = self.exit_code()
        if code is not None and not self._stopping:
            raise PartDied(f"{self.name} {describe_exit(code)}{tail(self.log)}")

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until ``is_ready`` says so.

        Raises:
            PartDied: The process ended first.
            StackError: The time ran out.
        """
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready within {timeout_s:.0f} s{tail(self.log)}")
            self.exit_code(PROBE_INTERVAL_S)

    def stop(self) -> None:
        """Ask the process to end, insist after a while, and leave none of its children behind."""
        self._stopping = True
        with undisturbed():
            if self.exit_code() is None:
                self.process.send_signal(self.stop_signal)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while self.exit_code(REMINDER_INTERVAL_S) is None and time.monotonic() < deadline:
                _signal_group(self.process.pid, self.stop_signal)
            if self.exit_code() is None:
                self.process.kill()
                self.process.wait()
            _end_group(self.process.pid)
            home = self.home
            if home is not None and not _await_none(lambda: running_in(home, self.program), STOP_TIMEOUT_S):
                _kill(running_in(home, self.program))


def spawn(
    name: str,
    command: list[str],
    *,
    log: Path,
    account: Account | None = None,
    env: dict[str, str] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    home: Path | None = None,
) -> Child:
    """Start a server in a process group of its own; it gets ``stop_signal`` if this process dies.

    Raises:
        StackError: The program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = _launch(name, command, account, env, stop_signal, stdout=output, stderr=subprocess.STDOUT)
    return Child(name=name, process=process, log=log, stop_signal=stop_signal, home=home, program=Path(command[0]).name)


def run(command: list[str], *, doing: str, account: Account | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program to its end, as ``account`` where one is given, and return what it printed.

    Raises:
        StackError: It failed; the message holds the end of its output.
    """
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _launch(doing, command, account, env, signal.SIGTERM, **streams) as process:
        try:
            out, err = (text.decode(errors="replace") for text in process.communicate())
        except BaseException:
            # initdb and pg_basebackup have helpers, which a kill of the program alone would leave.
            _end_group(process.pid)
            raise
    if process.returncode != 0:
        lines = (err or out).strip().splitlines()[-LOG_TAIL_LINES:]
        raise StackError("\n  ".join([f"{doing} {describe_exit(process.returncode)}:", *lines]))
    return out


def exit_code(process: subprocess.Popen[bytes], wait_s: float = 0) -> int | None:
    """How a process ended, once it has; None when it still runs after this time.

    An exception out of a signal's handler could leave Popen's lock taken, and the next to ask would
    wait for ever (2 of 8 closed terminals, 2026-11-22): the signals are held back so long.
    """
    with undisturbed(), contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(wait_s)
    return None


def running_in(directory: Path, program: str) -> list[int]:
    """The processes of a program whose working directory this is."""
    return [pid for pid in _pids() if _runs_in(pid, directory, program)]


def describe_exit(code: int) -> str:
    """Say in words how a process ended."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def tail(log: Path) -> str:
    """The last lines of a log, indented, ready to stand behind a message."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in [f"last lines of {log}:", *lines]) if lines else ""


def _launch(
    name: str,
    command: list[str],
    account: Account | None,
    env: dict[str, str] | None,
    stop_signal: signal.Signals,
    **streams: Any,
) -> subprocess.Popen[bytes]:
    """Start a program; a signal that comes meanwhile leaves no process that nobody knows of."""
    drop = account is not None and account.is_other
    process = None
    try:
        with undisturbed() as mask:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=env,
                cwd="/" if drop else None,
                start_new_session=True,
                user=account.uid if account and drop else None,
                group=account.gid if account and drop else None,
                extra_groups=[] if drop else None,
                preexec_fn=_in_child(stop_signal, mask),  # noqa: PLW1509  # it calls two C functions
                **streams,
            )
    except OSError as error:
        raise StackError(f"{name} cannot be started: {error}") from error
    except BaseException:
        if process is not None:
            _end_group(process.pid)
            process.wait()
        raise
    return process


def _in_child(stop_signal: signal.Signals, mask: set[int]) -> Callable[[], None]:
    """What a new process does before its program: take signals again, and die with its parent."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)

    return prepare


def _end_group(group: int) -> None:
    """Kill what is left of a process group, and wait until it is gone."""
    _signal_group(group, signal.SIGKILL)
    _await_none(lambda: [pid for pid in _pids() if _group(pid) == group], KILL_TIMEOUT_S)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _await_none(find: Callable[[], list[int]], timeout_s: float) -> bool:
    """Wait until nothing is found; False when the time runs out."""
    deadline = time.monotonic() + timeout_s
    while find():
        if time.monotonic() > deadline:
            return False
        time.sleep(PROBE_INTERVAL_S)
    return True


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _group(pid: int) -> int | None:
    """The process group of a process that runs; None for one that has ended."""
    try:
        # The name in parentheses may hold anything; state, parent and group follow it (proc(5)).
        state, _, group = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else int(group)


def _runs_in(pid: int, directory: Path, program: str) -> bool:
    """A person's shell that stands in the directory is none of the program's processes."""
    process = _PROC / str(pid)
    try:
        # The kernel marks a program that was replaced on disk: "/usr/bin/postgres (deleted)".
        name = (process / "exe").readlink().name.removesuffix(" (deleted)")
        return name == program and (process / "cwd").samefile(directory)
    except OSError:
        return False
