"""What no server shows every time is planted in a plan; causes hide what follows; rules keep the contract."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuning.chain import rules as chain
from tuning.contract import Outcome
from tuning.explain.findings import Finding
from tuning.explain.judge import MISSING, judge, rules
from tuning.explain.plan import Plan
from tuning.explain.reading import read
from tuning.explain.rules import Rule
from tuning.explain.subject import Repeats, Statement, Subject
from tuning.migrations import rules as migrations
from tuning.observe.statistics import TableStatistics

ROOT = Path(__file__).parents[2]
BAD = (Outcome.WARN, Outcome.FAIL)
STATEMENT = Statement("abc", "select ?", "SELECT 1")


def node(
    kind: str, *children: dict[str, Any], ms: float = 100.0, rows: float = 1, loops: int = 1, **more: Any
) -> dict[str, Any]:
    """A node as EXPLAIN prints it; what is not given is unremarkable."""
    figures = {"Node Type": kind, "Startup Cost": 0.0, "Total Cost": 10.0, "Plan Rows": rows, "Plan Width": 8}
    figures |= {"Actual Startup Time": 0.0, "Actual Total Time": ms, "Actual Rows": rows, "Actual Loops": loops}
    figures |= {"Shared Hit Blocks": 10, "Shared Read Blocks": 0}
    sides = ["Outer", "Inner"]
    plans = [{"Parent Relationship": sides[min(at, 1)], **child} for at, child in enumerate(children)]
    return figures | {key.replace("_", " "): value for key, value in more.items()} | ({"Plans": plans} if plans else {})


def plan(root: dict[str, Any], **more: Any) -> Plan:
    entry = {"Plan": root, "Planning Time": 0.1, "Execution Time": root["Actual Total Time"]}
    (found,) = read(json.dumps([entry | {key.replace("_", " "): value for key, value in more.items()}]))
    return found


def findings(subject: Subject) -> list[Finding]:
    return [each for each in judge(subject, "test").findings if each.outcome in BAD]


def scan(**more: Any) -> dict[str, Any]:
    return node("Seq Scan", **{"Relation_Name": "t", "Alias": "t", **more})


def gathered(ms: float, child_ms: float) -> Plan:
    return plan(node("Gather", scan(ms=child_ms, loops=3), ms=ms, Workers_Planned=2, Workers_Launched=2))


def index_scan(read_blocks: int) -> Plan:
    blocks = {"Shared_Hit_Blocks": 1000, "Shared_Read_Blocks": read_blocks}
    return plan(node("Index Scan", rows=20_000, Relation_Name="t", Alias="t", Index_Name="i", **blocks))


def asked(calls: int, same: int = 0) -> Subject:
    return Subject(statement=replace(STATEMENT, repeats=(Repeats("r1", "/list", calls, same, ("views.py:3",)),)))


def waiting(ms: float) -> Plan:
    return plan(scan(Shared_Read_Blocks=5000, Shared_Hit_Blocks=0, **{"Shared_I/O_Read_Time": ms}))


def changed(now: int, before: int) -> Subject:
    old = plan(node("Index Scan", Index_Name="i", Relation_Name="t", Alias="t", Shared_Hit_Blocks=before))
    new = plan(scan(Shared_Hit_Blocks=now))
    return Subject(new, first=new, before=old)


FAULTS = [
    ("parallel-overhead", Subject(gathered(100, 20)), Subject(gathered(100, 90))),
    ("low-selectivity-index", Subject(index_scan(4000)), Subject(index_scan(100))),
    ("planning-time", Subject(plan(scan(ms=2.0), Planning_Time=30.0)), Subject(plan(scan(ms=2.0)))),
    (
        "planning-time",
        Subject(plan(scan(ms=0.5), Planning_Time=1.0), replace(STATEMENT, calls=2000)),
        Subject(plan(scan(ms=0.5), Planning_Time=1.0)),
    ),
    ("disk-reads", Subject(waiting(400.0 / 4 + 5)), Subject(waiting(20.0))),
    (
        "jit-cost",
        Subject(plan(scan(), JIT={"Timing": {"Total": 60.0}})),
        Subject(plan(scan(), JIT={"Timing": {"Total": 9}})),
    ),
    ("repeated-query", asked(12), asked(2)),
    ("repeated-query", asked(2, same=1), asked(1)),
    ("plan-regression", changed(2000, 10), changed(60, 10)),
]


@pytest.mark.parametrize(("rule", "faulty", "right"), FAULTS, ids=[f"{n}-{case[0]}" for n, case in enumerate(FAULTS)])
def test_rule_speaks_of_the_fault_and_not_of_what_is_right(rule: str, faulty: Subject, right: Subject) -> None:
    assert rule in {each.rule for each in findings(faulty)}
    assert rule not in {each.rule for each in findings(right)}


def test_regression_that_only_one_of_two_runs_shows_is_noise() -> None:
    subject = changed(2000, 10)
    assert findings(replace(subject, first=changed(20, 10).plan)) == []


def test_facts_are_told_and_are_no_fault() -> None:
    judged = judge(Subject(plan(scan())), "test")
    assert [(each.rule, each.outcome) for each in judged.findings] == [("hot-node", Outcome.OK)]
    assert "100%" in judged.findings[0].message
    halves = node("Append", scan(ms=35), scan(ms=35), ms=100.0)
    assert judge(Subject(plan(halves)), "test").findings == ()


def test_what_follows_is_told_with_its_cause() -> None:
    spilled = node("Sort", scan(rows=9), Sort_Space_Type="Disk", Sort_Space_Used=9000, Temp_Written_Blocks=900, rows=9)
    (found,) = findings(Subject(plan(spilled)))
    assert found.rule == "sort-spill"
    assert [text.split(" ")[0] for text in found.explains] == ["temp-blocks"]


def test_unrelated_faults_do_not_hide_each_other() -> None:
    spilled = node(
        "Sort", scan(ms=50, Rows_Removed_by_Filter=50_000, Filter="(a = 1)"), Sort_Space_Type="Disk", Sort_Space_Used=9
    )
    assert {each.rule for each in findings(Subject(plan(spilled)))} == {"sort-spill", "slow-scan"}


def test_wrong_estimate_is_told_once_where_it_begins_and_by_its_reason() -> None:
    off = scan(rows=5000, ms=50) | {"Plan Rows": 5}
    join = node("Hash Join", off, node("Hash", scan(ms=1), ms=1), rows=9000) | {"Plan Rows": 9}
    (found,) = findings(Subject(plan(join)))
    assert (found.rule, found.node) == ("misestimate-source", 1)
    old = {"t": TableStatistics("t", live_rows=5000, changed_rows=600_000, analyzed_s_ago=60.0)}
    (found,) = findings(Subject(plan(join), tables=old))
    assert (found.rule, found.outcome) == ("stale-statistics", Outcome.FAIL)
    assert {text.split(" ")[0] for text in found.explains} == {"misestimate", "misestimate-source"}
    fresh = {"t": TableStatistics("t", live_rows=5000, changed_rows=3, analyzed_s_ago=60.0)}
    assert [each.rule for each in findings(Subject(plan(join), tables=fresh))] == ["misestimate-source"]


def test_rows_that_nobody_asked_for_are_no_wrong_estimate() -> None:
    unread = scan(rows=10) | {"Plan Rows": 1_000_000}
    assert findings(Subject(plan(node("Limit", unread, rows=10)))) == []
    assert [each.rule for each in findings(Subject(plan(node("Aggregate", unread))))] == ["misestimate"]


def test_times_of_subplans_and_workers_are_given_once() -> None:
    cte = scan(ms=60, rows=10) | {"Parent Relationship": "InitPlan", "Subplan Name": "CTE big"}
    reading = node("CTE Scan", ms=70, rows=10, CTE_Name="big", Alias="big")
    found = plan(node("Aggregate", reading, ms=80) | {})
    root = node("Aggregate", ms=80)
    root["Plans"] = [cte, {"Parent Relationship": "Outer", **reading}]
    found = plan(root)
    own = {each.type: round(found.own(each).ms) for each in found.nodes}
    assert own == {"Aggregate": 10, "Seq Scan": 60, "CTE Scan": 10}
    own = {each.type: round(gathered(100, 90).own(each).ms) for each in gathered(100, 90).nodes}
    assert own["Gather"] == 10


def test_key_is_the_same_for_other_values_and_figures() -> None:
    def key(rows: int) -> str:
        subject = Subject(plan(scan(Rows_Removed_by_Filter=rows, Filter=f"(a = {rows})")), STATEMENT)
        (found,) = findings(subject)
        return found.key

    assert key(50_000) == key(70_000) == "slow-scan/abc/t"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_rule_keeps_the_contract(rule: Rule) -> None:
    assert (ROOT / "tuning/explain/rules" / f"{rule.id.replace('-', '_')}.py").is_file()
    assert rule.title.endswith(".")
    assert all(text.endswith((".", ")")) for text in (rule.when, rule.why, rule.remedy))
    assert rule.needs
    assert set(rule.needs) <= set(MISSING)
    assert set(rule.consequence_of) <= {each.id for each in rules()} - {rule.id}
    assert rule.id not in {each.id for each in (*chain.load(), *migrations.load())}


def test_there_are_31_rules_and_what_they_lack_is_said() -> None:
    judged = judge(Subject(), "test", {"slow-scan": "excluded by --exclude"})
    assert len(judged.rules) == 31
    assert {each.outcome for each in judged.rules} == {Outcome.SKIP}
    assert all(each.reason for each in judged.rules)
