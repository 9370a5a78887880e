"""Every rule of a diagnosis fires on figures that have its fault, and not on their twin without it."""

import re
from dataclasses import replace

import pytest
import typer

from tests.unit.command import ROOT
from tuning.chain.rules import load as load_chain_rules
from tuning.cli.main import app
from tuning.contract import Outcome
from tuning.diagnose.figures import Failed, LoadFigures, Moment, Request, summed
from tuning.diagnose.findings import Verdict
from tuning.diagnose.judge import LEADING, judge
from tuning.diagnose.rules import Rule, load
from tuning.diagnose.run import MISSING, Run, Stated
from tuning.migrations.rules import load as load_migration_rules

ACCUSED = (Outcome.WARN, Outcome.FAIL)
EXACT = {50.0: 0.0951, 90.0: 0.1801, 95.0: 0.2003, 99.0: 0.3007}


def request(
    name: str,
    count: int,
    mean_s: float = 0.1,
    *,
    failures: int = 0,
    seconds: float = 600.0,
    max_s: float | None = 0.5,
    percentiles_s: dict[float, float] = EXACT,
) -> Request:
    return Request(name, count, failures, mean_s, 0.001, max_s, count / seconds, percentiles_s)


def figures(*requests: Request, seconds: float = 600.0, is_rounded: bool = False) -> LoadFigures:
    total = replace(summed(requests), percentiles_s=requests[-1].percentiles_s)
    return LoadFigures("figures of a test", requests, total, seconds, is_rounded, failed=())


PARTS = (request("POST /login", 20, percentiles_s={}), request("GET /list", 80_000), request("POST /reserve", 40_000))
# 20 users without think time for ten minutes: 200 req/s of 100 ms are 20 in the system. Nothing is wrong with it.
STATED = Stated(
    slots=40,
    users=20,
    spawn_rate_per_s=20.0,
    seconds=600.0,
    weights={"GET /list": 2.0, "/reserve": 1.0},
    goal_s=0.2,
)
GOOD = Run(figures(*PARTS), STATED)
HISTORY = tuple(Moment(float(at), 20, 200 * at) for at in range(601))


def stated(run: Run = GOOD, **changes: object) -> Run:
    return replace(run, stated=replace(run.stated, **changes))  # type: ignore[arg-type]


def loaded(run: Run = GOOD, **changes: object) -> Run:
    return replace(run, load=replace(run.load, **changes))  # type: ignore[arg-type]


def of(*requests: Request, is_rounded: bool = False) -> Run:
    return replace(GOOD, load=figures(*requests, is_rounded=is_rounded))


def total(**changes: object) -> Run:
    return loaded(total=replace(GOOD.load.total, **changes))  # type: ignore[arg-type]


def part(**changes: object) -> Run:
    """The list, changed."""
    return loaded(requests=(PARTS[0], replace(PARTS[1], **changes), PARTS[2]))  # type: ignore[arg-type]


def history(*moments: tuple[float, int, int]) -> Run:
    return loaded(history=tuple(Moment(*each) for each in moments))


def with_failures(*messages: tuple[str, int], failed: int | None = None) -> Run:
    count = sum(occurrences for _, occurrences in messages) if failed is None else failed
    run = of(PARTS[0], PARTS[1], replace(PARTS[2], failures=count))
    return loaded(run, failed=tuple(Failed("POST /reserve", error, number) for error, number in messages))


# 20 users on 2 slots: 18 wait.
BUSY = stated(slots=2)
MANY_LOGINS = stated(of(request("POST /login", 60_000), request("GET /list", 60_020)), slots=4, login="/login")
BUCKETS = {50.0: 0.091, 90.0: 0.18, 95.0: 0.2, 99.0: 0.3}
ROUNDED = of(*(replace(each, percentiles_s=BUCKETS) for each in PARTS), is_rounded=True)
SAME_STEP = of(*(replace(each, percentiles_s={**BUCKETS, 90.0: 0.2}) for each in PARTS), is_rounded=True)
STEADY = loaded(history=HISTORY)
SPEEDING_UP = history((0, 20, 0), (300, 20, 30_000), (600, 20, 120_000))
SLOWING_DOWN = history((0, 20, 0), (300, 20, 90_000), (600, 20, 120_000))
NEVER_ALL = history((0, 0, 0), (300, 10, 30_000), (600, 15, 100_000))
WITHOUT_RAMP = loaded(stated(spawn_rate_per_s=None), history=())

# Users took 400 s, and the statistics began then.
RESET = stated(spawn_rate_per_s=0.05, seconds=1000.0, is_reset=True)
IDLE = stated(users=100, spawn_rate_per_s=100.0)

# The rule, figures that have its fault, their twin.
CASES: list[tuple[str, Run, Run]] = [
    ("figures-contradict", total(count=60_000), GOOD),
    ("figures-contradict", total(mean_s=0.2), total(mean_s=0.101)),
    ("figures-contradict", part(rate_per_s=90.0), part(rate_per_s=133.3)),
    ("figures-contradict", part(failures=80_001), part(failures=80_000)),
    ("figures-contradict", part(min_s=0.2), part(min_s=0.1)),
    ("figures-contradict", part(max_s=0.05), part(max_s=0.31)),
    ("figures-contradict", part(percentiles_s={50.0: 0.2, 95.0: 0.1}), part(percentiles_s={50.0: 0.2, 95.0: 0.2})),
    ("figures-contradict", part(percentiles_s={99.0: 0.6}), part(percentiles_s={99.0: 0.5})),
    ("figures-contradict", loaded(history=(Moment(0, 20, 200_000),)), STEADY),
    ("figures-contradict", with_failures(("503", 90), failed=9), with_failures(("503", 90), failed=90)),
    ("duration-stated", stated(seconds=300.0), stated(seconds=580.0)),
    ("duration-stated", stated(seconds=900.0), GOOD),
    ("duration-stated", stated(of(request("GET /", 99, 9.0, max_s=60.0)), seconds=560.0), GOOD),
    ("users-and-little", stated(users=10, spawn_rate_per_s=10.0), GOOD),
    ("users-and-little", stated(users=10, spawn_rate_per_s=None), WITHOUT_RAMP),
    ("users-and-little", IDLE, stated(IDLE, think_s=0.4)),
    ("users-and-little", loaded(history=tuple(Moment(float(at), 9, 0) for at in range(601))), STEADY),
    ("users-and-little", IDLE, loaded(history=(*HISTORY[:-9], Moment(600.0, 0, 120_000)))),
    ("users-and-little", stated(spawn_rate_per_s=0.05), stated(spawn_rate_per_s=0.05, is_reset=True)),
    ("duration-stated", stated(spawn_rate_per_s=0.05, seconds=1000.0), RESET),
    ("ramp", stated(spawn_rate_per_s=0.05, seconds=1000.0), RESET),
    ("mix-and-weights", stated(weights={"GET /list": 1.0, "/reserve": 1.0}), GOOD),
    ("mix-and-weights", stated(weights={"GET /list": 2.0, "/cart": 1.0}), stated(weights={"GET /list": 1.0})),
    ("ramp", stated(spawn_rate_per_s=0.1), stated(spawn_rate_per_s=0.2)),
    ("ramp", stated(spawn_rate_per_s=0.01), GOOD),
    ("ramp", NEVER_ALL, STEADY),
    ("logins-under-way", of(replace(PARTS[0], count=19), *PARTS[1:]), GOOD),
    ("logins-under-way", of(replace(PARTS[0], mean_s=300.0, max_s=400.0), *PARTS[1:]), GOOD),
    ("slots-saturated", BUSY, GOOD),
    ("slots-saturated", stated(slots=19), stated(slots=20)),
    ("queue-before-slots", BUSY, GOOD),
    ("queue-before-slots", BUSY, stated(of(request("GET /", 120_000), request("POST /", 2)), slots=2)),
    ("login-dominates", MANY_LOGINS, BUSY),
    ("login-dominates", MANY_LOGINS, stated(MANY_LOGINS, other_s=0.021)),
    ("login-dominates", MANY_LOGINS, stated(of(request("POST /login", 20_000), request("GET /", 100_020)), slots=4)),
    ("goal-reachable", stated(goal_s=0.05), GOOD),
    ("slots-over-response-time", BUSY, GOOD),
    ("percentile-buckets", SAME_STEP, ROUNDED),
    ("percentile-buckets", SAME_STEP, loaded(SAME_STEP, is_rounded=False)),
    ("percentile-samples", of(replace(PARTS[0], percentiles_s={95.0: 0.2}, count=58), *PARTS[1:]), GOOD),
    ("percentile-samples", of(request("GET /", 298)), of(request("GET /", 299))),
    ("failures", with_failures(("503", 1)), GOOD),
    ("failures", with_failures(("503", 900)), with_failures()),
    ("time-outs", with_failures(("ReadTimeout('timed out')", 9)), with_failures(("503", 9))),
    ("time-outs", with_failures(("HTTPError('504 Server Error')", 9)), with_failures(("5040", 9))),
    ("cut-off", of(request("GET /", 100)), GOOD),
    ("cut-off", of(request("GET /", 100)), loaded(of(request("GET /", 100)), is_drained=True)),
    ("steady-state", SPEEDING_UP, STEADY),
    ("steady-state", SLOWING_DOWN, STEADY),
    ("load-generator", of(request("GET /", 600_000)), stated(of(request("GET /", 600_000)), processes=4)),
]
# They tell how to read figures, or what these figures cannot tell: nothing accuses.
TELLING = {"slots-at-most", "rate-is-the-mix", "lock-contention", "inside-the-slot"}


def verdict(run: Run, rule: str) -> Verdict:
    (found,) = (each for each in judge(run).verdicts if each.rule == rule)
    return found


@pytest.mark.parametrize(
    ("rule", "faulty", "right"), CASES, ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)]
)
def test_rule_fires_on_the_fault_and_not_on_its_twin(rule: str, faulty: Run, right: Run) -> None:
    found = verdict(faulty, rule)
    assert found.outcome in ACCUSED
    assert found.findings
    assert found.remedy
    assert verdict(right, rule).outcome in (Outcome.OK, Outcome.SKIP)


@pytest.mark.parametrize("run", [case[1] for case in CASES] + [GOOD, BUSY, MANY_LOGINS])
def test_nothing_is_blamed_on_a_lock(run: Run) -> None:
    diagnosis = judge(run)
    assert verdict(run, "lock-contention").outcome is Outcome.SKIP
    assert "lock" not in diagnosis.answer
    for each in diagnosis.verdicts:
        if each.outcome in ACCUSED:
            assert not any(re.search(r"\block", found.message) for found in each.findings), each


def test_nothing_is_accused_where_all_is_right() -> None:
    diagnosis = judge(STEADY)
    assert [each.rule for each in diagnosis.verdicts if each.outcome in ACCUSED] == []
    assert diagnosis.answer == "Nothing in these figures is wrong: 120,020 requests, a mean of 100 ms."


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} | TELLING == {rule.id for rule in load()}
    assert set(LEADING) <= {rule.id for rule in load()}


@pytest.mark.parametrize("rule", load(), ids=lambda rule: rule.id)
def test_rule_keeps_the_contract(rule: Rule) -> None:
    assert (ROOT / "tuning/diagnose/rules" / f"{rule.id.replace('-', '_')}.py").is_file()
    assert rule.title.endswith(".")
    assert all(text.endswith(".") for text in (rule.when, rule.why, rule.remedy))
    assert set(rule.needs) <= set(MISSING)
    assert rule.id not in {each.id for each in (*load_migration_rules(), *load_chain_rules())}


def test_commands_that_rules_name_exist() -> None:
    command = typer.main.get_command(app)
    named = {name for rule in load() for name in re.findall(r"`hotrow ([a-z]+(?: [a-z]+)?)", rule.remedy)}
    assert {"psql", "bench logins"} <= named
    for name in named:
        found = command
        for word in name.split():
            found = found.commands[word]  # type: ignore[attr-defined]


def test_rule_is_skipped_with_the_way_to_give_what_it_needs() -> None:
    bare = Run(LoadFigures("bare", (request("GET /", 9),), request("GET /", 9), None, is_rounded=False), Stated())
    bare = loaded(bare, requests=(replace(bare.load.requests[0], percentiles_s={}),))
    bare = loaded(bare, total=replace(bare.load.total, failures=1, percentiles_s={}, rate_per_s=None))
    needing = [rule for rule in load() if rule.needs]
    assert {need for rule in needing for need in rule.needs} == set(MISSING)
    for rule in needing:
        skipped = verdict(bare, rule.id)
        assert (skipped.outcome, skipped.reason) == (Outcome.SKIP, "; ".join(MISSING[need] for need in rule.needs))


def test_finding_of_a_law_tells_the_law_and_its_figures() -> None:
    for name in ("slots-saturated", "users-and-little", "slots-at-most", "rate-is-the-mix", "goal-reachable"):
        (found,) = verdict(BUSY, name).findings
        assert "law" in found.law or "bounds" in found.law
        assert found.figures
        assert all(
            re.search(r"_s$|_per_s$|^(slots|users|requests|of|visits|in_system|\w+_share|\w+_users)$", key)
            for key in found.figures
        )


def test_answer_leads_with_figures_that_cannot_be_true() -> None:
    assert judge(stated(BUSY, users=10)).answer.startswith("20 requests were in the system on average; 10 users had")
    assert judge(BUSY).answer.startswith("90 % of the mean response time of 100 ms is waiting for one of 2 slots")


def test_login_holds_a_slot_for_no_longer_than_it_takes() -> None:
    (found,) = verdict(stated(slots=4), "login-dominates").findings
    assert found.figures["login_s"] == pytest.approx(0.1)


def test_idle_users_think_for_as_long_as_the_law_says() -> None:
    (found,) = verdict(IDLE, "users-and-little").findings
    assert found.figures["think_s"] == pytest.approx(0.4, rel=0.01)
