"""Ctrl-C, kill and a closed terminal: everything ends, once and in order."""

import os
import pty
import shutil
import signal
import time

import pytest

from tests.e2e.processes import Command, Hotrow, wait_until

pytest_plugins = ["tests.e2e.instances"]

INTERRUPTED = 130
ENDED_WITHIN_S = 10
READY = "Ctrl-C ends the stack."


def assert_stopped(hotrow: Hotrow, command: Command, number: signal.Signals) -> None:
    done = command.wait()
    assert hotrow.running() == set()
    assert "Traceback" not in done.err
    assert f"stopped by {number.name}; everything that was started has ended" in done.err
    assert done.code == INTERRUPTED


@pytest.mark.parametrize(
    ("number", "step"),
    [(signal.SIGINT, "applying the migrations"), (signal.SIGTERM, "starting the service")],
    ids=["SIGINT", "SIGTERM"],
)
def test_up_ends_everything_when_stopped_on_the_way(kept: Hotrow, number: signal.Signals, step: str) -> None:
    command = kept.start("up")
    command.says(step)
    command.send(number)
    assert_stopped(kept, command, number)
    assert kept.status()[1]["state"] == "stopped"


def test_up_ends_soon_when_stopped_while_the_workers_start(kept: Hotrow) -> None:
    """A worker that has not set up its signals yet loses the one that ends it."""
    command = kept.start("up")
    command.says("starting the service")
    wait_until(lambda: sum("gunicorn" in each.command for each in kept.running()) >= 2, what="the first worker")
    sent = time.monotonic()
    command.send(signal.SIGTERM)
    assert_stopped(kept, command, signal.SIGTERM)
    assert time.monotonic() - sent < ENDED_WITHIN_S


def test_up_works_after_it_was_stopped_while_the_primary_was_made(hotrow: Hotrow) -> None:
    stop_while_data_is_made(hotrow, "primary")
    hotrow.up()


def test_up_works_after_it_was_stopped_while_the_replica_was_made(copied: Hotrow) -> None:
    shutil.rmtree(copied.root / "data" / "replica")
    stop_while_data_is_made(copied, "replica")
    copied.up()


def stop_while_data_is_made(hotrow: Hotrow, part: str) -> None:
    """Stop ``hotrow up`` when the first files of the part's data are there."""
    command = hotrow.start("up")
    wait_until(lambda: any(hotrow.root.glob(f"data/{part}*/PG_VERSION")), what=f"the data of the {part}")
    command.send(signal.SIGTERM)
    assert_stopped(hotrow, command, signal.SIGTERM)


def test_foreground_up_ends_everything_on_ctrl_c_while_data_is_made(hotrow: Hotrow) -> None:
    """A terminal sends SIGINT to the whole group, so to initdb as well."""
    command = hotrow.start("up", "--foreground", start_new_session=True)
    wait_until(lambda: any(hotrow.root.glob("data/primary*/PG_VERSION")), what="the data of the primary")
    os.killpg(command.pid, signal.SIGINT)
    assert_stopped(hotrow, command, signal.SIGINT)


def test_foreground_up_ends_everything_on_ctrl_c_and_takes_no_harm_from_more_signals(kept: Hotrow) -> None:
    command = kept.start("up", "--foreground")
    command.says(READY)
    assert kept.status()[0] == 0
    command.send(signal.SIGINT)
    command.says("stopping")

    def send() -> bool:
        """Send all of them, again and again, until the command has ended."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            command.send(number)
        return command.popen.poll() is not None

    wait_until(send, what="the command goes on")
    assert_stopped(kept, command, signal.SIGINT)
    assert kept.status()[1]["state"] == "stopped"
    # The last words, and nothing that went wrong.
    assert command.err.read_text().partition("stopping\n")[2].count("\n") == 1


def test_foreground_up_ends_everything_when_its_terminal_closes(kept: Hotrow) -> None:
    here, there = pty.openpty()
    try:
        command = kept.start(
            "up",
            "--foreground",
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
            preexec=_take_terminal,
        )
        os.close(there)
        said = b""
        while READY.encode() not in said:
            said += os.read(here, 4096)
    finally:
        os.close(here)
    assert command.wait().code == INTERRUPTED
    assert kept.running() == set()
    assert kept.status()[1]["state"] == "stopped"


def test_foreground_up_ends_everything_when_its_reader_goes(kept: Hotrow) -> None:
    """As in ``hotrow up --foreground 2>&1 | head -1``."""
    reader, writer = os.pipe()
    command = kept.start("up", "--foreground", stdout=writer, stderr=writer)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    assert command.wait().code != 0
    assert kept.running() == set()


def test_foreground_up_goes_on_under_nohup_when_its_terminal_closes(kept: Hotrow) -> None:
    command = kept.start("up", "--foreground", preexec=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    command.says("starting PostgreSQL")
    command.send(signal.SIGHUP)
    command.send(signal.SIGTERM)
    assert_stopped(kept, command, signal.SIGTERM)


def test_down_ends_a_stack_in_the_foreground(kept: Hotrow) -> None:
    command = kept.start("up", "--foreground")
    command.says(READY)
    assert kept.run("down").code == 0
    assert_stopped(kept, command, signal.SIGTERM)


def test_down_ends_a_stack_that_is_starting(kept: Hotrow) -> None:
    command = kept.start("up")
    command.says("applying the migrations")
    assert kept.run("down").out == f"Instance {kept.instance} has ended.\n"
    done = command.wait()
    assert done.code == 1
    assert "hotrow: the stack was ended while it was starting" in done.err
    assert kept.running() == set()


def _take_terminal() -> None:
    """Make standard input the controlling terminal, whose end sends SIGHUP."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
