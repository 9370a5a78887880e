"""What counts as worse, what excuses it, and which causes are told, on plans made by hand."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.command import hotrow
from tuning.contract import Outcome
from tuning.explain import json_format
from tuning.observe.relation_facts import Index, Relation
from tuning.observe.statistics import TableStatistics
from tuning.plans import baseline_file, rules
from tuning.plans.baseline import Accepted, Baseline, Entry, Size, Table
from tuning.plans.causes import UNKNOWN, causes, difference
from tuning.plans.comparison import Comparison, badness
from tuning.plans.measured import Measured, NotMeasured

DEFINITION = "CREATE INDEX a_idx ON public.a USING btree (n)"
SQL = "SELECT * FROM a WHERE n = 5"


def plan(blocks: int = 50, rows: float = 10, kind: str = "Index Scan", **more: Any) -> Any:
    node = {
        "Node Type": kind, "Schema": "public", "Relation Name": "a", "Alias": "a", "Plan Rows": rows,
        "Total Cost": blocks * 4.0, "Actual Rows": rows, "Actual Loops": 1, "Shared Hit Blocks": blocks, **more,
    }  # fmt: skip
    if kind == "Index Scan":
        node.setdefault("Index Name", "a_idx")
    return json_format.plan({"Plan": node, "Settings": more.pop("settings", {})})


def measured(of: Any, **more: Any) -> Measured:
    relations = {"public.a": Relation(1000, 100, indexes={"a_idx": Index(DEFINITION)})}
    values: dict[str, Any] = {"blocks": of.touched_blocks, "relations": relations} | more
    return Measured(SQL, of, **values)


def compared(now: Measured | NotMeasured, before: Any = None, **more: Any) -> Comparison:
    was = measured(before or plan())
    accepted = was.accepted()
    values: dict[str, Any] = {
        "entry": Entry("/a", "f", (accepted,)),
        "before": {"public.a": Table(1000, 100, "", 0, {"a_idx": DEFINITION})},
    } | more
    return Comparison("/a", "f", SQL, now=now, **values)


def outcomes(comparison: Comparison) -> dict[str, Outcome]:
    return {rule.id: each.outcome for rule in rules.load() for each in rule.check(comparison)}


def grown(pages: int, rows: int = 1000) -> Mapping[str, Relation]:
    return {"public.a": Relation(rows, pages, indexes={"a_idx": Index(DEFINITION)})}


def test_same_plan_with_as_many_blocks_is_nothing() -> None:
    assert outcomes(compared(measured(plan()))) == {}


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (50, 149, {}),
        (50, 150, {"more-blocks": Outcome.FAIL}),
        (1000, 1499, {}),
        (1000, 1500, {"more-blocks": Outcome.FAIL}),
        (150, 50, {"more-blocks": Outcome.OK}),
    ],
)
def test_same_plan_is_worse_from_half_more_and_a_hundred_blocks_on(
    before: int, now: int, found: dict[str, Outcome]
) -> None:
    assert outcomes(compared(measured(plan(now)), plan(before))) == found


@pytest.mark.parametrize(
    ("before", "now", "outcome"), [(50, 60, "WARN"), (50, 75, "FAIL"), (4, 13, "WARN"), (4, 14, "FAIL"), (75, 50, "OK")]
)
def test_other_plan_is_worse_from_half_more_and_ten_blocks_on(before: int, now: int, outcome: str) -> None:
    comparison = compared(measured(plan(now, kind="Seq Scan")), plan(before))
    assert outcomes(comparison) == {"changed-plan": Outcome(outcome)}


def test_growth_of_tables_and_of_rows_excuses_as_much_and_no_more() -> None:
    before = plan(1000, rows=100)
    larger = measured(plan(3000, rows=100), relations=grown(200))
    assert outcomes(compared(replace(larger, blocks=2900), before)) == {"more-blocks": Outcome.OK}
    assert outcomes(compared(larger, before)) == {"more-blocks": Outcome.FAIL}
    more_rows = measured(plan(2000, rows=200))
    assert outcomes(compared(more_rows, before)) == {"more-blocks": Outcome.OK}
    # Another plan reads other rows: their number excuses nothing.
    other = measured(plan(2000, rows=200, kind="Seq Scan"))
    assert outcomes(compared(other, before)) == {"changed-plan": Outcome.FAIL}


def test_rows_that_old_statistics_hid_are_no_excuse() -> None:
    now = plan(2000, rows=1000, **{"Plan Rows": 5})
    fresh = TableStatistics("a", live_rows=1000, changed_rows=0, analyzed_s_ago=60.0)
    stale = replace(fresh, changed_rows=101)
    before = plan(1000, rows=500)
    for known in (fresh, replace(fresh, changed_rows=100)):
        assert outcomes(compared(measured(now, statistics={"public.a": known}), before)) == {"more-blocks": Outcome.OK}
    found = compared(measured(now, statistics={"public.a": stale}), before)
    assert outcomes(found) == {"more-blocks": Outcome.FAIL}
    assert "statistics are stale" in causes(found)[0]


def test_heap_fetches_are_no_fault_of_the_plan() -> None:
    before = plan(50, kind="Index Only Scan")
    now = measured(plan(1050, kind="Index Only Scan", **{"Heap Fetches": 1000}))
    assert outcomes(compared(now, before)) == {"more-blocks": Outcome.OK}
    assert "looked up in the table" in causes(compared(now, before))[-1]
    assert outcomes(compared(measured(plan(1050, kind="Index Only Scan")), before)) == {"more-blocks": Outcome.FAIL}


def test_plans_that_were_not_executed_are_compared_by_cost_and_only_where_they_changed() -> None:
    planned = measured(plan(), blocks=None)
    entry = Entry("/a", "f", (planned.accepted(),))
    assert outcomes(compared(measured(plan(5000), blocks=None), entry=entry)) == {}
    worse = compared(measured(plan(75, kind="Seq Scan"), blocks=None), entry=entry)
    assert outcomes(worse) == {"changed-plan": Outcome.FAIL}
    same = compared(measured(plan(50, kind="Seq Scan"), blocks=None), entry=entry)
    assert outcomes(same) == {"changed-plan": Outcome.WARN}


def test_each_index_is_told_with_what_became_of_it() -> None:
    now = measured(plan(100, kind="Seq Scan"))

    def told(indexes: dict[str, Index], of: Measured = now) -> tuple[str, ...]:
        return causes(compared(replace(of, relations={"public.a": Relation(1000, 100, indexes=indexes)})))

    assert told({}) == (f"the index a_idx is gone: {DEFINITION}",)
    assert "b_idx is the same" in told({"b_idx": Index(DEFINITION.replace("a_idx", "b_idx"))})[0]
    assert "INVALID" in told({"a_idx": Index(DEFINITION, is_valid=False)})[0]
    assert "was changed" in told({"a_idx": Index(DEFINITION.replace("(n)", "(m)"))})[0]
    other = measured(plan(100, **{"Index Name": "c_idx"}))
    both = {"a_idx": Index(DEFINITION), "c_idx": Index("CREATE INDEX c_idx")}
    assert told(both, other) == ("the index c_idx is new: CREATE INDEX c_idx",)
    # One that neither plan reads is no cause.
    assert told(both) == (UNKNOWN,)


def test_settings_version_and_values_are_told() -> None:
    now = measured(plan(100, kind="Seq Scan"))
    now = replace(now, plan=replace(now.plan, settings={"work_mem": "1MB"}))
    found = causes(compared(now, version_before=150000, version_now=180001))
    assert found == ("settings differ: work_mem = 1MB, before default", "PostgreSQL 18 planned it, before 15")
    accepted = replace(measured(plan()).accepted(), sql="another")
    other = compared(measured(plan(100, kind="Seq Scan")), entry=Entry("/a", "f", (accepted,)))
    assert "other values" in causes(other)[-1]


def test_table_without_statistics_is_told() -> None:
    now = measured(plan(100, kind="Seq Scan"), relations=grown(100, rows=-1))
    assert "never analyzed" in causes(compared(now))[0]
    read = measured(plan(100, rows=5000, kind="Seq Scan"))
    assert "know of 1,000 rows, and a scan of it read 5,000" in causes(compared(read))[0]


def test_statistics_that_were_as_old_at_the_save_are_no_cause() -> None:
    known = TableStatistics("a", live_rows=1000, changed_rows=600, analyzed_s_ago=60.0)
    now = measured(plan(100, kind="Seq Scan"), statistics={"public.a": known})
    assert "statistics are stale" in causes(compared(now))[0]
    for changed_before, is_told in ((499, True), (500, False)):
        before = {"public.a": Table(1000, 100, "", changed_before, {"a_idx": DEFINITION})}
        assert ("stale" in causes(replace(compared(now), before=before))[0]) == is_told
    # Those of before another ANALYZE do not count.
    before = {"public.a": Table(1000, 100, "2026-01-01", 600, {"a_idx": DEFINITION})}
    assert "stale" in causes(replace(compared(now), before=before))[0]


def test_table_that_was_not_read_before_is_told() -> None:
    now = measured(plan(100, **{"Relation Name": "a_2027"}))
    assert causes(compared(now))[0].startswith("it reads public.a_2027, which it did not")


def test_difference_shows_both_plans_and_nothing_where_they_are_one() -> None:
    assert difference(compared(measured(plan(99)))) == ()
    lines = difference(compared(measured(plan(100, kind="Seq Scan"))))
    assert lines == ("-Index Scan using a_idx on public.a", "+Seq Scan on public.a")


def test_values_are_held_against_their_own_plan_and_every_shape_of_the_statement_is_accepted() -> None:
    light, heavy = measured(plan(10)).accepted(), measured(plan(5000, kind="Seq Scan")).accepted()
    entry = Entry("/a", "f", (light, replace(heavy, sql="frequent")))
    assert compared(measured(plan(10)), entry=entry).reference == light
    flipped = compared(measured(plan(5000, kind="Seq Scan")), entry=entry)
    assert flipped.reference == light
    assert outcomes(flipped) == {"more-blocks": Outcome.FAIL}
    both = Entry("/a", "f", (light, heavy))
    assert outcomes(compared(measured(plan(5000, kind="Seq Scan")), entry=both)) == {}
    assert outcomes(compared(measured(plan(200)), entry=both)) == {"more-blocks": Outcome.FAIL}


def test_values_that_were_never_measured_have_as_many_rows_as_they_have() -> None:
    entry = Entry("/a", "f", (replace(measured(plan(10)).accepted(), sql="others"),))
    assert outcomes(compared(measured(plan(5000)), entry=entry)) == {}
    assert outcomes(compared(measured(plan(5000, kind="Seq Scan")), entry=entry)) == {"changed-plan": Outcome.FAIL}


def test_statement_without_a_plan_is_a_finding_only_where_the_server_refuses_it() -> None:
    assert outcomes(compared(NotMeasured(SQL, "no column", is_failure=True))) == {"failing-statement": Outcome.FAIL}
    assert outcomes(compared(NotMeasured(SQL, "locked", is_failure=False))) == {}
    assert outcomes(compared(measured(plan()), entry=None)) == {"new-statement": Outcome.WARN}


def test_best_of_several_runs_is_judged() -> None:
    good, bad = compared(measured(plan(60))), compared(measured(plan(5000)))
    unsaid = compared(NotMeasured(SQL, "locked", is_failure=False))
    other = compared(measured(plan(55, kind="Seq Scan")))
    assert min([unsaid, bad, other, good], key=badness) is good
    assert min([unsaid, bad], key=badness) is bad


def test_run_into_the_limit_is_worse_than_any_plan() -> None:
    slow = measured(plan(), blocks=None, timed_out="it ran into the limit of 30 s")
    assert outcomes(compared(slow)) == {"more-blocks": Outcome.FAIL}
    assert "50 blocks before" in compared(slow).figures()


def test_size_of_a_table_that_was_empty_counts_as_a_page() -> None:
    accepted = replace(measured(plan(0, rows=0)).accepted(), tables={"public.a": Size(0, 0)})
    assert isinstance(accepted, Accepted)
    found = compared(measured(plan(100), relations=grown(100)), entry=Entry("/a", "f", (accepted,)))
    assert found.pages_factor == 100


def test_rules_say_when_why_and_what_to_do_under_names_of_their_own() -> None:
    mine = rules.load()
    assert [rule.id for rule in mine] == ["changed-plan", "failing-statement", "more-blocks", "new-statement"]
    assert all(rule.title and rule.when and rule.why and rule.remedy for rule in mine)
    listed = json.loads(hotrow("rules", "list", "--json").stdout)
    ids = [rule["id"] for rule in listed]
    assert len(set(ids)) == len(ids)
    assert {rule.id for rule in mine} == {rule["id"] for rule in listed if rule["from"] == "hotrow plans"}


def test_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    accepted = replace(measured(plan()).accepted(), settings={"work_mem": "1MB"}, sql="SELECT 'ä', \"\u2028\"\n")
    entries = (Entry("/ä", "f", (accepted, replace(accepted, blocks=None, shape="0"))), Entry("", "g", (accepted,)))
    written = Baseline(180001, entries, {"public.a": Table(1000, 100, "", 5, {"a_idx": DEFINITION})})
    baseline_file.write(tmp_path / "plans.json", written)
    read = baseline_file.read(tmp_path / "plans.json")
    assert (read.version, read.tables) == (written.version, written.tables)
    assert {entry.key: set(map(repr, entry.plans)) for entry in read.entries} == {
        entry.key: set(map(repr, entry.plans)) for entry in entries
    }
    text = (tmp_path / "plans.json").read_text()
    lines = text.split("\n")
    assert [lines[baseline_file.line_of(text, entry) - 1].strip() for entry in entries] == [
        '"route": "/ä",',
        '"route": "",',
    ]
    assert baseline_file.line_of("{}", entries[0]) == 1
