"""``hotrow demo`` from nothing to its document, and what happens when a part of it is killed."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Command, Finished, Hotrow, alive, descendants, wait_until

pytest_plugins = ["tests.e2e.instances"]

SMALL = ("--users", "10", "--spawn-rate", "10")
# The shortest load that the command takes.
SHORTEST = (*SMALL, "--seconds", "5")
ENDED_WITHIN_S = 30
INTERRUPTED = 130


class Measured:
    """A demo that has run to its end, right after one that was interrupted; tests read them."""

    def __init__(self, hotrow: Hotrow, out: Path) -> None:
        self.hotrow = hotrow
        self.out = out
        interrupted = hotrow.start("demo", *SHORTEST, "--json", "--out", str(out))
        await_load(hotrow)
        interrupted.send(signal.SIGINT)
        self.interrupted = interrupted.wait(ENDED_WITHIN_S)
        self.left_by_interrupted = [*hotrow.running(), *out.iterdir()]
        self.done: Finished = hotrow.run("demo", *SMALL, "--seconds", "6", "--json", "--out", str(out), timeout_s=90)
        self.left = alive(hotrow.running())
        assert self.done.code == 0, self.done.err
        self.document: dict[str, Any] = json.loads(self.done.out)


@pytest.fixture(scope="module")
def measured(make_session_hotrow: Callable[..., Hotrow], tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(make_session_hotrow("demo"), tmp_path_factory.mktemp("out"))


@pytest.fixture
def demo(make_hotrow: Callable[..., Hotrow]) -> Hotrow:
    return make_hotrow("demo")


@pytest.mark.parametrize("configuration", ["report", "kit"])
@pytest.mark.parametrize("figure", ["requests_per_s", "mean_ms", "p95_ms", "reservations", "logins"])
def test_demo_measures_each_figure_of_both_configurations(measured: Measured, configuration: str, figure: str) -> None:
    assert measured.document[configuration][figure] > 0


@pytest.mark.parametrize("configuration", ["report", "kit"])
def test_demo_runs_without_failures(measured: Measured, configuration: str) -> None:
    assert measured.document[configuration]["failures"] == 0


def test_demo_audits_without_violations(measured: Measured) -> None:
    assert measured.document["audit"] == {"violations": 0, "findings": []}


@pytest.mark.parametrize("configuration", ["report", "kit"])
def test_demo_finds_every_acknowledged_reservation(measured: Measured, configuration: str) -> None:
    checked = measured.document[configuration]["audit"]
    assert checked["acknowledged"] <= checked["reservations"] <= checked["acknowledged"] + checked["unanswered"]
    assert checked["reservations"] == measured.document[configuration]["reservations"]


def test_demo_passed_the_kits_reservations_through_pgbouncer(measured: Measured) -> None:
    assert measured.document["report"]["pgbouncer"] is None
    kit = measured.document["kit"]
    assert kit["pgbouncer"]["total_xact_count"] >= kit["reservations"]


def test_demo_runs_the_parts_of_each_configuration(measured: Measured) -> None:
    parts = {name: [part["name"] for part in measured.document[name]["parts"]] for name in ("report", "kit")}
    assert parts == {"report": ["primary", "web"], "kit": ["primary", "replica", "pgbouncer", "redis", "web"]}


def test_demo_writes_what_it_prints(measured: Measured) -> None:
    assert json.loads((measured.out / "demo.json").read_text()) == measured.document
    text = (measured.out / "demo.md").read_text()
    assert f"{measured.document['kit']['requests_per_s']:,.1f}" in text
    assert f"{measured.document['report']['requests_per_s']:,.1f}" in text


def test_demo_leaves_nothing_behind(measured: Measured) -> None:
    assert measured.left == []
    assert not (measured.hotrow.root / "data").exists()
    assert list(measured.hotrow.scratch.iterdir()) == []


def test_demo_ends_everything_on_ctrl_c(measured: Measured) -> None:
    assert measured.left_by_interrupted == []
    assert measured.interrupted.code == INTERRUPTED
    assert "stopped by SIGINT" in measured.interrupted.err
    assert measured.interrupted.out == ""


def start(demo: Hotrow, profile: str, out: Path) -> Command:
    """Start the demo and return when the load runs in that configuration."""
    command = demo.start("demo", *SHORTEST, "--json", "--out", str(out))
    command.says(f"{profile}: load")
    assert demo.record()["profile"] == profile
    return command


def await_load(demo: Hotrow) -> None:
    """Return when the first requests have been answered."""

    def is_under_way() -> bool:
        progress = list(demo.scratch.glob("hotrow-*/progress-*.json"))
        return any(json.loads(each.read_text())["requests"] for each in progress)

    wait_until(is_under_way, what="the load")


def locust(command: Command) -> int:
    """The process of the load."""
    return next(each.pid for each in descendants(command.pid) if " -m locust " in each.command)


@pytest.mark.parametrize(
    ("profile", "part", "number"),
    [
        ("report", "primary", signal.SIGKILL),
        ("report", "web", signal.SIGKILL),
        ("report", "locust", signal.SIGKILL),
        ("report", "locust", signal.SIGTERM),
        ("kit", "pgbouncer", signal.SIGKILL),
        ("kit", "redis", signal.SIGKILL),
    ],
    ids=lambda given: given.name if isinstance(given, signal.Signals) else given,
)
def test_demo_ends_and_names_the_part_that_was_killed(
    demo: Hotrow, tmp_path: Path, profile: str, part: str, number: signal.Signals
) -> None:
    command = start(demo, profile, tmp_path / "out")
    await_load(demo)
    os.kill(locust(command) if part == "locust" else demo.pid(part), number)
    done = command.wait(ENDED_WITHIN_S)
    assert demo.running() == set()
    assert done.code == 1
    assert "Traceback" not in done.err
    if number is signal.SIGKILL:
        assert f"hotrow: {part} was ended by SIGKILL" in done.err
    else:
        assert f"hotrow: {part} ended" in done.err
    assert list((tmp_path / "out").iterdir()) == []
    assert list(demo.scratch.iterdir()) == []
    assert done.out == ""
    assert demo.status()[1]["state"] == "failed"


def test_demo_ends_everything_when_stopped_while_the_first_stack_ends(demo: Hotrow, tmp_path: Path) -> None:
    command = start(demo, "report", tmp_path / "out")
    command.says("report: stopping")
    command.send(signal.SIGTERM)
    done = command.wait(ENDED_WITHIN_S)
    assert demo.running() == set()
    assert done.code == INTERRUPTED
    assert "Traceback" not in done.err


def test_demo_fails_before_it_measures_when_it_cannot_write(demo: Hotrow, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, no directory")
    done = demo.run("demo", *SHORTEST, "--out", str(tmp_path / "out"))
    assert done.code == 1
    assert "Traceback" not in done.err
    assert str(tmp_path / "out") in done.err
    assert "starting PostgreSQL" not in done.err
