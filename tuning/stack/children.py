"""Start a server process, wait until it is ready, and end it with all that it started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tuning.stack.accounts import Account
from tuning.stack.errors import PartDied, StackError

READY_TIMEOUT_S = 60.0
# Between two looks at a server that is starting; its death is noticed at once.
PROBE_INTERVAL_S = 0.05
STOP_TIMEOUT_S = 15.0
LOG_TAIL_LINES = 12
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """A process of the stack, leader of its own process group."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals
    home: Path | None = None
    """A directory that only this server's processes run in: PostgreSQL's leave the group."""
    _stopping: bool = field(default=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raise :exc:`PartDied` if the process ended without being asked to."""
        code = self.process.poll()
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
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PROBE_INTERVAL_S)

    def stop(self) -> None:
        """Ask the process to end, insist after a while, and leave none of its children behind."""
        self._stopping = True
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.home is not None:
            _await_empty(self.home)


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
    drop = account is not None and account.is_other
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd="/" if drop else None,
                start_new_session=True,
                user=account.uid if account and drop else None,
                group=account.gid if account and drop else None,
                extra_groups=[] if drop else None,
                preexec_fn=_die_with_parent(stop_signal),  # noqa: PLW1509  # the stack starts no threads
            )
    except OSError as error:
        raise StackError(f"{name} cannot be started: {error}") from error
    return Child(name=name, process=process, log=log, stop_signal=stop_signal, home=home)


def run(command: list[str], *, account: Account, doing: str, env: dict[str, str] | None = None) -> str:
    """Run a program to its end as ``account`` and return what it printed.

    Raises:
        StackError: It failed; the message holds the end of its output.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env,
        cwd="/" if account.is_other else None,
        user=account.uid if account.is_other else None,
        group=account.gid if account.is_other else None,
        extra_groups=[] if account.is_other else None,
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()[-LOG_TAIL_LINES:]
        raise StackError("\n  ".join([f"{doing} {describe_exit(done.returncode)}:", *lines]))
    return done.stdout


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


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)


def _await_empty(home: Path) -> None:
    """Wait until no process runs in ``home``, and end those that will not go."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while pids := [pid for pid in _pids() if _runs_in(pid, home)]:
        if time.monotonic() > deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            return
        time.sleep(PROBE_INTERVAL_S)


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _runs_in(pid: int, home: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == home
    except OSError:
        return False
