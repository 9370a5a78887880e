"""Keep a stack running: watch its processes, end all when one ends, and write down why.

``hotrow up`` starts this module as a process of its own; ``hotrow up --foreground`` calls it.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType

from tuning.stack import record
from tuning.stack.children import ENDING_SIGNALS
from tuning.stack.errors import StackError
from tuning.stack.paths import InstancePaths
from tuning.stack.profiles import PROFILES, Profile
from tuning.stack.record import Part, Record
from tuning.stack.stack import Stack

# How soon the end of a process is noticed.
WATCH_INTERVAL_S = 0.2


class Stopped(BaseException):
    """A signal asked this process to end; what was started is ended on the way out."""


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Turn Ctrl-C, a closed terminal and a kill into :exc:`Stopped`, once.

    Further signals are held back for the rest of the process: a second Ctrl-C would leave orphans.
    Under nohup the terminal may close.
    """
    is_stopped = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopped
        # Held back, not ignored: Python complains aloud of a handler that changes under a signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        if not is_stopped:
            is_stopped = True
            raise Stopped(signal.Signals(number).name)

    has_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    before = {each: signal.signal(each, end) for each in ENDING_SIGNALS if each is not signal.SIGHUP or not has_nohup}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)  # the caller may have held them back
    try:
        yield
    finally:
        if not is_stopped:
            for each, handler in before.items():
                signal.signal(each, handler)


@contextlib.contextmanager
def running(
    name: str,
    profile: Profile,
    *,
    is_fresh: bool = False,
    postgres_bin: Path | None = None,
    ports: dict[str, int] | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> Iterator[Stack]:
    """Run an instance for the length of the block, its record kept up to date.

    Args:
        name: The instance; its data is kept for the next time.
        profile: What to run.
        is_fresh: Remove the instance's data first, and again at the end.
        postgres_bin: Another PostgreSQL than the embedded one.
        ports: Port by part, where not any free one will do.
        report: Called with a few words at each step.

    Raises:
        StackError: It did not start; nothing is left running.
    """
    paths = InstancePaths.of(name)
    with record.exclusive(paths):
        if is_fresh:
            for folder in ("data", "log"):
                shutil.rmtree(paths.root / folder, ignore_errors=True)
        current = Record(
            instance=name, profile=profile.name, state="starting", pid=os.getpid(), postgres_bin=str(postgres_bin or "")
        )

        def step(message: str) -> None:
            record.write(paths.record, replace(current, message=message))
            report(message)

        try:
            # At once: whoever asks now must not be told the process of an earlier time.
            record.write(paths.record, current)
            stack = Stack(paths, profile, postgres_bin=postgres_bin, ports=ports, report=step)
            with stack:
                current = replace(current, state="ready", parts=stack.parts, notes=stack.notes)
                record.write(paths.record, current)
                yield stack
            current = replace(current, state="stopped", parts=_ended(stack.parts))
        except Stopped:
            current = replace(current, state="stopped", parts=_ended(current.parts))
            raise
        except StackError as error:
            current = replace(current, state="failed", parts=_ended(current.parts), message=str(error))
            raise
        except OSError as error:
            message = f"{error.filename or paths.root}: {error.strerror or error}"
            current = replace(current, state="failed", parts=_ended(current.parts), message=message)
            raise StackError(message) from error
        except BaseException as error:
            current = replace(current, state="failed", parts=_ended(current.parts), message=repr(error))
            raise
        finally:
            if is_fresh:
                shutil.rmtree(paths.root / "data", ignore_errors=True)
            with contextlib.suppress(OSError):
                record.write(paths.record, current)


def watch(stack: Stack) -> None:
    """Return never; raise when a process of the stack ends or a signal asks to stop."""
    while True:
        stack.check()
        time.sleep(WATCH_INTERVAL_S)


def _ended(parts: list[Part]) -> list[Part]:
    return [Part(part.name, "ended", part.address, part.version) for part in parts]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tuning.stack.supervisor")
    parser.add_argument("--instance", required=True)
    parser.add_argument("--profile", required=True, choices=sorted(PROFILES))
    parser.add_argument("--postgres-bin", type=Path)
    parser.add_argument("--ports", type=json.loads, default={})
    options = parser.parse_args(argv)
    try:
        with (
            ending_on_signals(),
            running(
                options.instance,
                PROFILES[options.profile],
                postgres_bin=options.postgres_bin,
                ports=options.ports,
            ) as stack,
        ):
            watch(stack)
    except Stopped:
        return 0
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
