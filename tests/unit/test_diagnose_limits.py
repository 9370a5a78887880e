"""Limits, splits and bounds on timelines of known figures; the causes in real parts are in test_planted_causes.py."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit import run_folders
from tests.unit.command import ROOT, hotrow
from tests.unit.run_folders import activity, logins, pooler, processes, service, session, write
from tuning.contract import Outcome
from tuning.diagnose import limits
from tuning.diagnose.bounds import gains, stations
from tuning.diagnose.evidence import UNSEEN
from tuning.diagnose.findings import Diagnosis
from tuning.diagnose.judge import judge
from tuning.diagnose.readers import run_folder
from tuning.diagnose.rules import Rule
from tuning.diagnose.rules import load as load_rules

HOLDER = session(7, state="idle in transaction", wait="Client:ClientRead", xact_s=5.0)
WAITERS = [session(pid, wait="Lock:transactionid", by=[7]) for pid in (1, 2, 3)]
SHORT = session(7, xact_s=0.01)


def judged(folder: Path, samples: list[Any], **changes: Any) -> Diagnosis:
    return judge(run_folder.read(write(folder, samples, **changes)).run)


def outcome(found: Diagnosis, rule: str) -> Outcome:
    return next(each.outcome for each in found.limits if each.rule == rule)


CASES: list[tuple[str, list[Any], list[Any]]] = [
    ("load-generator-saturated", processes(load=0.9), processes(load=0.5)),
    ("blocking-session", activity(HOLDER, *WAITERS), activity(session(1), session(2), session(3))),
    ("hot-row-queue", activity(SHORT, *WAITERS), activity(HOLDER, *WAITERS)),
    ("wal-flush-bound", activity(session(1, wait="IO:WalSync"), session(2, wait="LWLock:WALWrite")), activity()),
    ("database-cpu-bound", processes(postgresql=1.7), processes(postgresql=1.0)),
    ("app-cpu-bound", processes(web=0.95), processes(web=0.5)),
    ("pooler-bound", pooler(1, 1.0, 3.0), pooler(16, 0.1, 0.0)),
    ("pool-bound", service(0.09, pool_wait_s=0.08), service(0.09, pool_wait_s=0.001)),
]


@pytest.mark.parametrize(("rule", "faulty", "right"), CASES)
def test_limit_is_named_first_and_its_twin_is_not(tmp_path: Path, rule: str, faulty: Any, right: Any) -> None:
    found = judged(tmp_path / "faulty", faulty)
    assert found.limit is not None
    assert (found.limit.rule, found.limit.outcome) == (rule, Outcome.FAIL)
    assert found.answer.startswith(f"The limit is {rule}: ")
    assert found.limit.remedy
    assert outcome(judged(tmp_path / "right", right), rule) is Outcome.OK


@pytest.mark.parametrize(
    ("took_s", "hash_s", "expected"),
    [
        # What is counted is believed: 10/s of 90 ms of 1.5 cores, and of 22 ms behind each other.
        (1.0, 0.09, Outcome.FAIL),
        (1.0, 0.022, Outcome.OK),
        # What is not counted is estimated: a login that was never short was long by itself.
        (1.0, None, Outcome.FAIL),
        (0.05, None, Outcome.OK),
    ],
)
def test_hashes_are_judged_by_the_time_that_they_computed(
    tmp_path: Path, took_s: float, hash_s: float | None, expected: Outcome
) -> None:
    found = judged(tmp_path / "run", [*logins(took_s, hash_s=hash_s), *processes(web=1.5)])
    assert outcome(found, "hash-on-the-hub") is expected


@pytest.mark.parametrize(
    ("samples", "expected"), [(processes(load=0.5), Outcome.OK), (processes(web=0.5), Outcome.WARN)]
)
def test_generator_is_in_question_only_where_its_processor_time_is_not_known(
    tmp_path: Path, samples: list[Any], expected: Outcome
) -> None:
    run = run_folder.read(write(tmp_path / "run", samples)).run
    many = replace(run, load=replace(run.load, total=replace(run.load.total, rate_per_s=600.0)))
    assert {each.rule: each.outcome for each in judge(many).verdicts}["load-generator"] is expected


def test_slots_are_named_only_where_processors_are_left(tmp_path: Path) -> None:
    # 40/s of 100 ms are four in four slots; with 8 ms of it in front of them they are not full.
    full = service(0.08)
    assert outcome(judged(tmp_path / "few", full, slots=3), "workers-too-few") is Outcome.WARN
    assert outcome(judged(tmp_path / "many", full, slots=30), "workers-too-few") is Outcome.OK
    half = service(0.04)
    assert outcome(judged(tmp_path / "half", half, slots=2), "workers-too-few") is Outcome.FAIL
    busy = [*half, *processes(web=0.99)]
    assert outcome(judged(tmp_path / "busy", busy, slots=2), "workers-too-few") is Outcome.WARN


def test_blocker_is_told_with_pid_user_application_state_and_statement(tmp_path: Path) -> None:
    told = judged(tmp_path / "run", activity(HOLDER, *WAITERS)).answer
    for word in ("pid 7", "user app", "application web", "idle in transaction", "SELECT units FROM stock FOR UPDATE"):
        assert word in told


def test_no_lock_is_blamed_without_a_blocker(tmp_path: Path) -> None:
    unseen = [session(pid, wait="Lock:transactionid") for pid in (1, 2, 3)]
    for each in unseen:
        each["blocked_by"] = []
        each["wait_type"] = "Lock"
    samples = activity(*unseen)
    for _, _, data in samples[1:]:
        data["asked_blockers"] = True
    found = judged(tmp_path / "run", samples)
    for rule in ("blocking-session", "hot-row-queue"):
        assert outcome(found, rule) is Outcome.SKIP
    assert "lock" not in found.answer


def test_parts_add_up_and_each_says_what_measured_it(tmp_path: Path) -> None:
    samples = [*service(0.06, pool_wait_s=0.01), *processes(web=0.4), *activity(*WAITERS[:1], HOLDER)]
    (whole,) = judged(tmp_path / "run", samples).splits
    seconds = {part.name: part.seconds for part in whole.parts}
    assert seconds["worker queue"] == pytest.approx(0.04)
    assert seconds["pool wait"] == pytest.approx(0.01)
    assert seconds["application CPU"] == pytest.approx(0.4 / 40)
    assert seconds["lock wait"] == pytest.approx(1 / 40)
    assert seconds["PgBouncer wait"] is None
    assert sum(value for value in seconds.values() if value is not None) == pytest.approx(0.1)
    assert all(part.source for part in whole.parts)
    assert "pid 7" in next(part.source for part in whole.parts if part.name == "lock wait")


def test_parts_that_overlap_are_shown_below_zero(tmp_path: Path) -> None:
    (whole,) = judged(tmp_path / "run", processes(web=8.0)).splits
    other = whole.parts[-1]
    assert other.seconds == pytest.approx(0.1 - 8.0 / 40)
    assert "overlap" in other.source


def test_bounds_hold_what_the_demands_allow(tmp_path: Path) -> None:
    run = run_folder.read(write(tmp_path / "run", [*service(0.1), *processes(web=0.4, postgresql=0.2)])).run
    by_name = {station.name: station for station in stations(run)}
    assert by_name["application CPU"].demand_s == pytest.approx(0.01)
    assert by_name["application CPU"].at_most_per_s == pytest.approx(100)
    assert by_name["database CPU"].at_most_per_s == pytest.approx(2 / 0.005)
    assert by_name["worker slots"].at_most_per_s == pytest.approx(40)
    first = gains(run)[0]
    assert (first.station, first.next_limit) == ("worker slots", "application CPU")
    assert first.at_most_per_s == pytest.approx(100)


@pytest.mark.parametrize("rule", limits.load(), ids=lambda rule: rule.id)
def test_limit_keeps_the_contract(rule: Rule) -> None:
    assert rule.title.endswith(".")
    assert all(text.endswith(".") for text in (rule.when, rule.why, rule.remedy))
    assert set(rule.needs) <= set(UNSEEN)
    assert rule.id not in {each.id for each in load_rules()}
    assert (ROOT / "tuning/diagnose/limits" / f"{rule.id.replace('-', '_')}.py").is_file()
    assert rule.id in hotrow("rules", "show", rule.id).stdout


def test_order_of_answers_is_complete() -> None:
    assert tuple(rule.id for rule in limits.load()) == limits.INNERMOST_FIRST


def test_timeline_without_a_source_skips_with_the_reason(tmp_path: Path) -> None:
    found = judged(tmp_path / "run", activity(session(1)))
    skipped = {each.rule: each.reason for each in found.limits if each.outcome is Outcome.SKIP}
    assert "it was not named" in skipped["slow-redis"]
    assert "pool-bound" in skipped
    assert any("redis was not watched: it was not named" in said for said in found.missing)


@pytest.mark.parametrize("broken", ["cut", "clock", "missing", "empty", "other form"])
def test_bad_timeline_gives_a_partial_report(tmp_path: Path, broken: str) -> None:
    folder = write(tmp_path / "run", activity(HOLDER, *WAITERS))
    path = folder / run_folder.TIMELINE
    lines = path.read_text().splitlines(keepends=True)
    match broken:
        case "cut":
            path.write_text("".join(lines)[:-20])
        case "clock":
            path.write_text("".join([*lines[:3], *reversed(lines[3:])]))
        case "missing":
            path.unlink()
        case "empty":
            path.write_text("")
        case _:
            path.write_text("".join([lines[0], '{"t":0,"kind":"activity"}\n']))
    done = hotrow("diagnose", str(folder), "--json", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    said = " ".join(found["missing"])
    words = {"cut": "was cut", "clock": "clock went back", "missing": "cannot be read", "empty": "is empty"}
    assert words.get(broken, "another form") in said
    assert bool(found["limits"]) is (broken in ("cut", "clock"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"load": run_folders.load(requests=0, mean_ms=0.0, by_request=[])}, "holds no request"),
        ({"format": "other/1"}, "is no run of the form"),
        ({"load": None}, "is no run of the form"),
    ],
)
def test_run_that_cannot_be_judged_is_refused(tmp_path: Path, changes: Any, words: str) -> None:
    done = hotrow("diagnose", str(write(tmp_path / "run", [], **changes)))
    assert done.returncode == 2
    assert words in done.stderr


def test_cut_run_and_folder_without_one_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [])
    (folder / run_folder.RUN).write_text('{"format": ')
    assert "it was cut" in hotrow("diagnose", str(folder)).stderr
    (folder / run_folder.RUN).unlink()
    done = hotrow("diagnose", str(folder))
    assert (done.returncode, "holds no run.json" in done.stderr) == (2, True)


def test_comparison_tells_spread_and_what_was_predicted(tmp_path: Path) -> None:
    for number, mean_s in ((1, 0.1), (2, 0.1)):
        write(tmp_path / f"before-{number}", [*service(mean_s), *processes(web=0.4)])
    for number in (1, 2):
        faster = run_folders.load(requests_per_s=60.0, mean_ms=50.0)
        write(tmp_path / f"after-{number}", [*service(0.04), *processes(web=0.4)], load=faster)
    done = hotrow("diagnose", "compare", str(tmp_path / "before"), str(tmp_path / "after"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    by_name = {change["name"]: change for change in found["changes"]}
    assert by_name["throughput"]["is_clear"] is True
    assert by_name["failures"]["is_clear"] is False
    assert (found["before"]["runs"], found["after"]["runs"]) == (2, 2)
    assert found["predicted"][0]["at_most_per_s"] == pytest.approx(100)
    text = hotrow("diagnose", "compare", str(tmp_path / "before-1"), str(tmp_path / "after-1")).stdout
    assert "one run of a side has no spread" in text
    assert "at most 100 req/s predicted, 60 req/s measured" in text
    assert hotrow("diagnose", "compare", str(tmp_path / "before-1")).returncode == 2


def test_request_that_was_under_way_at_the_end_is_no_thinking(tmp_path: Path) -> None:
    """Of users who waited for their first answer when the test ended it is not said that they thought."""
    first = [[at, run_folders.USERS, 0, 0, 0.0, 0.0] for at in range(1, run_folders.SECONDS)]
    last = [[run_folders.SECONDS, run_folders.USERS, run_folders.USERS, 0, 90.0, 200.0]]
    kind = run_folders.load()["by_request"][0] | {"count": run_folders.USERS}
    few = run_folders.load(requests=run_folders.USERS, requests_per_s=0.4, by_request=[kind], series=first + last)
    assert outcome(judged(tmp_path / "waits", activity(), load=few), "think-time") is Outcome.OK
    # The control: as many users whose requests of 100 ms were answered forty times.
    many = run_folders.load(requests=160, requests_per_s=16, by_request=[kind | {"count": 160}])
    assert outcome(judged(tmp_path / "thinks", activity(), load=many), "think-time") is Outcome.FAIL
