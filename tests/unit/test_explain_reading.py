"""Plans of PostgreSQL 15 and 18 are read from JSON and text, whatever is around them; broken ones are told."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuning.explain import auto_explain
from tuning.explain.errors import Unreadable
from tuning.explain.findings import Report
from tuning.explain.judge import judge
from tuning.explain.plan import Plan
from tuning.explain.reading import read
from tuning.explain.subject import Subject
from tuning.reports import explain_html, explain_text

PLANS = Path(__file__).parents[1] / "data/plans"
RECORDED = sorted(PLANS.glob("*/*.json"))
TEXTS = [path.with_suffix(".txt").read_text() for path in RECORDED]
# Sizes of memory differ from one execution to the next, and which worker did how much.
VARYING = {"Sort Space Used", "Peak Memory Usage", "Workers", "Has Fractions", "Actual Rows", "Actual Loops"}
VARYING |= {"Cache Hits", "Cache Misses", "Rows Removed by Filter"}
# A plan in JSON says what the text leaves out: that something is not so.
ABSENT = (False, 0, "Simple", [])


def nodes(plan: Plan) -> list[tuple[object, ...]]:
    return [(node.type, node.relationship, node.text("Subplan Name"), len(node.children)) for node in plan.nodes]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_text_and_json_are_the_same_plan(path: Path) -> None:
    (of_json,) = read(path.read_text())
    (of_text,) = read(path.with_suffix(".txt").read_text())
    assert nodes(of_text) == nodes(of_json)
    assert of_text.shape == of_json.shape
    assert of_text.settings == of_json.settings
    for mine, theirs in zip(of_text.nodes, of_json.nodes, strict=True):
        assert (mine.plan_rows, mine.plan_width, mine.total_cost) == (
            theirs.plan_rows,
            theirs.plan_width,
            theirs.total_cost,
        )
        if not theirs.workers:
            assert (mine.rows_per_loop, mine.loops) == (theirs.rows_per_loop, theirs.loops)
        told = {key: value for key, value in theirs.properties.items() if key not in VARYING}
        lost = {key for key, value in told.items() if mine.properties.get(key) != value and value not in ABSENT}
        assert lost == set()


def test_the_comparison_sees_a_difference() -> None:
    text = (PLANS / "18/join.txt").read_text()
    (right,), (wrong,) = read(text), read(text.replace("Hash Join", "Hash Left Join"))
    assert right.shape != wrong.shape


def psql(text: str) -> str:
    width = max(map(len, text.split("\n")))
    lines = [f" {line.ljust(width)} +" for line in text.rstrip("\n").split("\n")]
    return f"{'QUERY PLAN'.center(width)}\n{'-' * width}\n" + "\n".join(lines) + "\n(9 rows)\n\nTime: 3.1 ms\n"


def quoted(text: str) -> str:
    return "\n".join('"' + line.replace('"', '""') + '"' for line in text.rstrip("\n").split("\n"))


FRAMES = {
    "psql": psql,
    "border": lambda text: "\n".join(f"| {line.ljust(200)} |" for line in text.rstrip("\n").split("\n")),
    "quotes": quoted,
    "indented": lambda text: "\n".join("    " + line for line in text.split("\n")),
    "crlf": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("name", ["cte", "gather", "update"])
def test_what_stands_around_a_plan_is_taken_off(frame: str, name: str) -> None:
    for version in ("15", "18"):
        text = (PLANS / version / f"{name}.txt").read_text()
        (plain,), (framed,) = read(text), read(FRAMES[frame](text))
        assert framed.shape == plain.shape
        assert [node.rows for node in framed.nodes] == [node.rows for node in plain.nodes]
        entries = (PLANS / version / f"{name}.json").read_text()
        if frame in ("psql", "crlf"):
            assert read(FRAMES[frame](entries))[0].shape == read(entries)[0].shape


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("  \n \n", "empty"),
        ("hello", "no line of a plan"),
        ('[{"Plan": {"Node Type": "Seq Scan"', "cut off"),
        ('[{"Plan": {"Node Type"; }}]', "line 1, column"),
        ("[]", "no plan"),
        ('{"a": 1}', "no plan"),
        ('[{"Plan": {}}]', "Node Type"),
        ('[{"Plan": {"Node Type": "Limit", "Plans": 3}}]', "no list"),
        ('[{"Plan": {"Node Type": "Limit", "Plan Rows": "many"}}]', "no number"),
        ('[{"Plan": {"Node Type": "Limit", "Actual Rows": NaN}}]', "out of range"),
        ("[" * 100_000, "broken JSON"),
        ("Seq Scan on t\0  (cost=0.00..1.00 rows=1 width=1)", "NUL"),
        ("   ->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=1)", "no line of a plan"),
    ],
)
def test_broken_input_is_told(text: str, word: str) -> None:
    with pytest.raises(Unreadable, match=word):
        read(text)


def test_statement_of_a_megabyte_is_read_within_its_plan() -> None:
    long = "SELECT " + ", ".join(map(str, range(150_000)))
    (plan,) = read(json.dumps([{"Query Text": long, "Plan": {"Node Type": "Result", "Plan Rows": 1}}]))
    assert plan.query == long


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A recorded plan with lines lost, cut, doubled or from another."""
    lines = draw(st.sampled_from(TEXTS)).split("\n")
    for at in draw(st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=6)):
        other = draw(st.sampled_from(TEXTS)).split("\n")
        lines[at] = draw(st.sampled_from(["", lines[at][: len(lines[at]) // 2], lines[at] * 2, other[-2], " " * 9]))
    return "\n".join(lines)


@given(text=mangled() | st.text(max_size=80) | st.text('[]{}":,0\\n', max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_plan_or_unreadable(text: str) -> None:
    try:
        plans = read(text)
    except Unreadable:
        return
    judged = tuple(judge(Subject(plan), "test") for plan in plans)
    explain_html.page(Report(judged))
    explain_text.markdown(Report(judged))


def test_logs_of_auto_explain_are_read_in_text_and_json() -> None:
    text = (PLANS / "15/scan.txt").read_text().rstrip("\n")
    entries = json.loads((PLANS / "15/scan.json").read_text())[0] | {"Query Text": "SELECT 2"}
    stamp = "2026-11-22 20:00:00.000 UTC [7] LOG:  duration: 12.5 ms  plan:"
    body = "\n".join("\t" + line for line in text.split("\n"))
    as_json = "\n".join("\t" + line for line in json.dumps(entries, indent=1).split("\n"))
    message = json.dumps({"message": f"duration: 3.0 ms  plan:\nQuery Text: SELECT 3\n{text}"})
    log = f"{stamp}\n\tQuery Text: SELECT 1\n\tFROM t\n{body}\n{stamp}\n{as_json}\n2026 LOG:  checkpoint\n{message}\n"
    assert auto_explain.holds(log)
    first, second, third = auto_explain.plans(log)
    assert first.shape == second.shape == third.shape
    assert [re.sub(r"\s+", " ", plan.query) for plan in (first, second, third)] == [
        "SELECT 1 FROM t",
        "SELECT 2",
        "SELECT 3",
    ]
    assert (first.execution_ms, third.execution_ms) == (12.5, 3.0)
