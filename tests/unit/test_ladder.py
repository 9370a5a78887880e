"""The ladder: each rung differs from the one before by its change alone; its table; what a rerun takes."""

import json
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tuning.cli.main import app
from tuning.lab import ladder
from tuning.lab.ladder import Attempt, Climb
from tuning.lab.published import REPORT as PUBLISHED
from tuning.lab.rungs import BASELINE, NAMES, Rung, alone, chosen, slots, stacked
from tuning.observe.machine import Machine
from tuning.reports import ladder as report
from tuning.stack.errors import StackError
from tuning.stack.profiles import REPORT, Profile

MACHINE = Machine(cpu="cpu", cores=2, memory_bytes=2**34, system="Linux", python="3.11.7")
ASKED = Climb(users=100, spawn_rate=50, seconds=10)


def difference(before: Profile, after: Profile) -> tuple[dict[str, str | None], dict[str, Any]]:
    """What two profiles set differently: variables of the service, and other fields."""
    names = before.service.keys() | after.service.keys()
    service = {name: after.service.get(name) for name in names if before.service.get(name) != after.service.get(name)}
    others = {each.name for each in fields(Profile)} - {"name", "service"}
    return service, {name: getattr(after, name) for name in others if getattr(before, name) != getattr(after, name)}


def test_each_rung_differs_from_the_one_before_by_its_change_alone() -> None:
    rungs = stacked()
    assert tuple(rung.name for rung in rungs) == NAMES
    for before, rung in pairwise(rungs):
        service, parts = difference(before.profile, rung.profile)
        assert service or parts, rung.name
        assert service.items() <= dict(rung.change.service).items(), rung.name
        assert parts.items() <= dict(rung.change.parts).items(), rung.name


def test_each_remedy_alone_is_the_baseline_with_its_change() -> None:
    first, *others = alone()
    assert [rung.name for rung in others] == list(NAMES[1:])
    for rung in others:
        assert difference(first.profile, rung.profile) == (dict(rung.change.service), dict(rung.change.parts))


def test_baseline_is_the_reports_configuration_with_its_queries() -> None:
    assert difference(REPORT, stacked()[0].profile) == ({"QUERIES": "n_plus_one"}, {"has_metrics": True})


def test_a_change_that_is_forgotten_would_be_seen() -> None:
    """The control of the first test."""
    one, other = stacked()[:2]
    assert difference(one.profile, replace(one.profile, name="other")) == ({}, {})
    assert difference(one.profile, other.profile) == ({"WORKER_CLASS": "gevent"}, {})


def test_slots_are_what_gunicorn_takes_at_a_time() -> None:
    assert [slots(rung.profile) for rung in stacked()[:2]] == [9, 3000]


def test_rungs_are_chosen_in_their_own_order() -> None:
    assert [rung.name for rung in chosen(stacked(), ["function", BASELINE])] == [BASELINE, "function"]
    with pytest.raises(StackError, match="--only hopeful: choose of baseline, gevent"):
        chosen(stacked(), ["hopeful"])


def test_repeats_are_interleaved_and_begin_with_another_rung() -> None:
    rungs = stacked()[:3]
    names = [(number, rung.name) for number, rung in ladder.order(rungs, 3)]
    one, two, three = (rung.name for rung in rungs)
    assert names == [
        *((1, name) for name in (one, two, three)),
        *((2, name) for name in (two, three, one)),
        *((3, name) for name in (three, one, two)),
    ]


def measured(rung: Rung, per_s: float, p95_ms: float, reserved: int, failures: int = 0) -> dict[str, Any]:
    load = {
        "requests_per_s": per_s,
        "requests": 1_000,
        "seconds": 10.0,
        "mean_ms": p95_ms / 2,
        "p50_ms": p95_ms / 2,
        "p95_ms": p95_ms,
        "p99_ms": p95_ms,
        "failures": failures,
        "logins": 100,
        "by_request": [{"name": "04_stock_reserve", "count": reserved + failures, "failures": failures}],
    }
    return {**ASKED.asked(rung), "load": load, "audit": {"violations": []}, "notes": []}


def document(*attempts: Attempt) -> dict[str, Any]:
    rungs = [rung for rung in stacked() if rung.name in {each.rung for each in attempts}]
    return report.document(PUBLISHED, rungs, attempts, ASKED, MACHINE, alone=False)


def attempt(name: str, number: int, *figures: Any) -> Attempt:
    (rung,) = chosen(stacked(), [name])
    return Attempt(name, number, measured(rung, *figures))


def test_table_has_medians_spread_and_the_ratio_to_the_baseline() -> None:
    baseline = [attempt(BASELINE, number, rate, 4_000, 10) for number, rate in enumerate((10, 20, 30), 1)]
    function = [attempt("function", number, rate, 100, 300) for number, rate in enumerate((1_000, 1_200, 900), 1)]
    found = document(*baseline, *function)
    first, last = found["rungs"]
    assert first["ratio"] == {"median": 1.0, "min": 0.33, "max": 3.0}
    assert last["ratio"] == {"median": 50.0, "min": 30.0, "max": 120.0}
    assert last["figures"]["reservations_per_s"]["median"] == 30.0
    assert report.verdict(found) == "function served 50.0 times the requests of the baseline at 1/40.0 of its P95."
    assert report.rows(found)[1][:2] == ("function", "1,000.0 (900.0 to 1,200.0)")
    assert "| function | 1,000.0 met | 50.0 met | 100.0 met | 0.0 met | 30.0 met |" in report.markdown(found)
    assert first["kpi"]["p95_ms"] is False


def test_failed_requests_miss_the_target() -> None:
    (only,) = document(attempt("function", 1, 1_000, 100, 300, 1))["rungs"]
    assert only["figures"]["failed_percent"]["median"] == 0.1
    assert only["kpi"]["failed_percent"] is False
    assert only["ratio"] is None


def test_rung_that_failed_is_told_of() -> None:
    found = document(attempt(BASELINE, 1, 10, 4_000, 10), Attempt("gevent", 1, None, "web was ended by SIGKILL"))
    assert report.failed(found) == ["gevent"]
    assert report.rows(found)[1][1] == "failed"
    assert "gevent failed in repeat 1: web was ended by SIGKILL" in report.markdown(found)


def finished(directory: Path, rung: Rung, **changes: Any) -> None:
    folder = directory / f"{rung.name}-1"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({**measured(rung, 10, 100, 5), **changes}))


def test_resume_takes_a_repeat_that_has_ended_well(tmp_path: Path) -> None:
    rung = stacked()[0]
    finished(tmp_path, rung)
    (taken,) = ladder.climb([rung], ASKED, tmp_path, MACHINE, resume=True)
    assert taken.document == json.loads((tmp_path / "baseline-1" / "run.json").read_text())


@pytest.mark.parametrize("change", [{"users": 7}, {"seconds": 1}, {"service": {}}, {"rate_per_s": 5.0}])
def test_resume_refuses_what_was_measured_otherwise(tmp_path: Path, change: dict[str, Any]) -> None:
    rung = stacked()[0]
    finished(tmp_path, rung, **change)
    with pytest.raises(StackError, match=f"another {next(iter(change))} .*leave out --resume"):
        ladder.climb([rung], ASKED, tmp_path, MACHINE, resume=True)


def test_list_names_every_rung() -> None:
    done = CliRunner().invoke(app, ["bench", "ladder", "--list", "--json"])
    assert [each["name"] for each in json.loads(done.stdout)] == list(NAMES)


def test_more_processes_than_users_are_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["bench", "ladder", "--users", "2", "--processes", "3", "--out", str(tmp_path / "out")]
    )
    assert isinstance(done.exception, StackError)
    assert "--processes 3" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_ladder_goes_on_after_a_rung_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTROW_STATE_DIR", str(tmp_path / "state"))
    rungs = stacked()[:2]
    attempts = ladder.climb(rungs, ASKED, tmp_path / "out", MACHINE, postgres_bin=tmp_path)
    assert [each.rung for each in attempts] == [rung.name for rung in rungs]
    assert all(each.document is None and str(tmp_path) in each.failure for each in attempts)
    assert list((tmp_path / "out").iterdir()) == []
