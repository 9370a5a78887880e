"""A process that is killed: the rest of the stack ends with it, and status says what happened."""

import os
import signal

import psycopg
import pytest

from tests.e2e.processes import Hotrow, alive, descendants, process, wait_until

pytest_plugins = ["tests.e2e.instances"]

# The watch looks five times a second; the parts then end one after the other.
ENDED_WITHIN_S = 10


@pytest.mark.parametrize("part", ["primary", "replica", "pgbouncer", "redis", "web", "worker"])
def test_stack_ends_and_names_the_part_that_was_killed(kept: Hotrow, part: str) -> None:
    kept.up("--profile", "shop" if part == "worker" else "kit")
    supervisor = kept.record()["pid"]
    started = descendants(supervisor)
    os.kill(kept.pid(part), signal.SIGKILL)
    wait_until(lambda: process(supervisor) is None, ENDED_WITHIN_S, f"{part} was killed and the supervisor goes on")
    assert alive(started) == []
    assert kept.running() == set()
    assert kept.record()["state"] == "failed"
    done = kept.run("status")
    assert done.code == 1
    assert f"hotrow: {part} was ended by SIGKILL" in done.err


def test_up_names_the_part_that_was_killed_on_the_way(kept: Hotrow) -> None:
    command = kept.start("up")
    command.says("applying the migrations")
    primary = int((kept.root / "data" / "primary" / "postmaster.pid").read_text().split()[0])
    os.kill(primary, signal.SIGKILL)
    done = command.wait()
    assert done.code == 1
    assert "primary was ended by SIGKILL" in done.err
    assert kept.running() == set()


def test_parts_end_by_themselves_when_the_supervisor_is_killed(kept: Hotrow) -> None:
    kept.up()
    supervisor = kept.record()["pid"]
    started = descendants(supervisor)
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not alive(started), 30, "parts go on without their supervisor")
    assert kept.running() == set()
    code, status = kept.status()
    assert (code, status["state"]) == (1, "failed")
    assert f"process {supervisor}, which watched the stack, was killed" in status["message"]
    assert {part["state"] for part in status["parts"]} == {"ended"}


def test_up_works_at_once_when_the_supervisor_was_killed(kept: Hotrow) -> None:
    kept.up()
    os.kill(kept.record()["pid"], signal.SIGKILL)
    kept.up()
    with psycopg.connect(kept.address("replica")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_up_works_when_everything_was_killed(kept: Hotrow) -> None:
    """As after the machine lost its power: pid files stay, nothing was shut down."""
    kept.up()
    everything = kept.running()
    # The watch first, so that nobody shuts anything down.
    for each in sorted(everything, key=lambda found: found.pid != kept.record()["pid"]):
        if each.is_alive:
            os.kill(each.pid, signal.SIGKILL)
    wait_until(lambda: not alive(everything), what="killed processes go on")
    assert (kept.root / "data" / "primary" / "postmaster.pid").exists()
    kept.up()
    for part in ("primary", "replica"):
        with psycopg.connect(kept.address(part)) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
