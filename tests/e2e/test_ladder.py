"""``hotrow bench ladder`` from nothing to its folders, of which another run takes what has ended well."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Finished, Hotrow, alive
from tuning import timeline

pytest_plugins = ["tests.e2e.instances"]

OPTIONS = ("--users", "20", "--spawn-rate", "10", "--seconds", "3")
RUNGS = ("baseline", "function")
TIMEOUT_S = 110


class Measured:
    """A ladder of two rungs that has run to its end, and again with --resume; tests read it."""

    def __init__(self, hotrow: Hotrow, out: Path) -> None:
        command = ("bench", "ladder", "--only", ",".join(RUNGS), *OPTIONS, "--json", "--out", str(out))
        self.hotrow = hotrow
        self.folder = out / "ladder"
        self.done: Finished = hotrow.run(*command, timeout_s=TIMEOUT_S)
        self.left = alive(hotrow.running())
        assert self.done.code == 0, self.done.err
        self.again: Finished = hotrow.run(*command, "--resume", timeout_s=TIMEOUT_S)
        self.document: dict[str, Any] = json.loads(self.done.out)


@pytest.fixture(scope="module")
def measured(make_session_hotrow: Callable[..., Hotrow], tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(make_session_hotrow("ladder"), tmp_path_factory.mktemp("out"))


def test_ladder_measures_each_rung_without_failures(measured: Measured) -> None:
    assert [each["name"] for each in measured.document["rungs"]] == list(RUNGS)
    for rung in measured.document["rungs"]:
        assert rung["failed"] == []
        assert rung["figures"]["failures"]["median"] == 0
        assert rung["figures"]["requests_per_s"]["median"] > 0
    assert measured.document["violations"] == []


@pytest.mark.parametrize("rung", RUNGS)
def test_ladder_leaves_a_folder_for_each_repeat(measured: Measured, rung: str) -> None:
    folder = measured.folder / f"{rung}-1"
    run = json.loads((folder / "run.json").read_text())
    assert (run["format"], run["profile"], run["arrivals"], run["users"]) == ("hotrow-run/1", rung, "closed", 20)
    assert sum(row[2] for row in run["load"]["series"]) == run["load"]["requests"]
    assert not {name for name in run["service"] if "KEY" in name or "URL" in name or "PASSWORD" in name}
    watched = timeline.read(folder / "timeline.jsonl")
    for kind in (timeline.PROCESSES, timeline.SERVICE):
        assert watched.of(kind)
    groups = {name for sample in watched.of(timeline.PROCESSES) for name in sample.data["groups"]}
    assert {"web", "postgresql", "load"} <= groups


def test_ladder_writes_what_it_prints(measured: Measured) -> None:
    assert json.loads((measured.folder / "ladder.json").read_text()) == measured.document
    assert "| function |" in (measured.folder / "ladder.md").read_text()


def test_ladder_takes_what_has_ended_well(measured: Measured) -> None:
    assert measured.again.code == 0
    assert "starting PostgreSQL" not in measured.again.err
    assert json.loads(measured.again.out) == measured.document


def test_ladder_leaves_nothing_behind(measured: Measured) -> None:
    assert measured.left == []
    assert not (measured.hotrow.root / "data").exists()
    assert {each.name for each in measured.folder.iterdir()} == {"baseline-1", "function-1", "ladder.json", "ladder.md"}
