"""Whatever a script holds, it is judged or called unreadable, and never ends in a traceback."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.lint_cases import SQL_CASES
from tuning.migrations import lint
from tuning.migrations.actions import Name
from tuning.migrations.findings import Effect
from tuning.migrations.script import Script
from tuning.migrations.sequences import safe_sequence
from tuning.migrations.sources import Sources
from tuning.observe.facts import FunctionFacts, ReplicaFacts, ServerFacts, Session, TableFacts

PIECES = tuple(re.findall(r"\w+|\s|\W", case.unsafe + ";" + case.safe + ";") for case in SQL_CASES)
WORDS = sorted({piece for pieces in PIECES for piece in pieces} | {"$x$", '"', "'", "/*", "--", "%", "é"})


@st.composite
def scripts(draw: st.DrawFn) -> str:
    """Cases run together, with pieces lost, put in twice or put in from elsewhere."""
    pieces = [piece for chosen in draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3)) for piece in chosen]
    for at in draw(st.lists(st.integers(0, len(pieces) - 1), max_size=6)):
        pieces[at] = draw(st.sampled_from(["", pieces[at] * 2, *WORDS]))
    return "".join(pieces)


SCRIPTS = scripts()
SESSION = Session(1, "u", "a", 99.0, "active", "SELECT 1", "AccessExclusiveLock")


@given(text=SCRIPTS | st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_judged_with_and_without_facts(text: str) -> None:
    sources = Sources((("a.sql", text),))
    given_scripts = lint.scripts(sources)
    relations, functions = lint.names(given_scripts)
    table = TableFacts("t", exists=True, is_partitioned=True, rows=10**6, heap_bytes=10**9, holders=(SESSION,))
    facts = ServerFacts(
        version=150000,
        sampled_s=1.0,
        sees_sessions=True,
        oldest=SESSION,
        replicas=(ReplicaFacts("r", "streaming", 99.0, 10**9),),
        tables=dict.fromkeys(relations, table),
        functions=dict.fromkeys(functions, (FunctionFacts("text", "text"),)),
    )
    for known in (None, facts):
        report = lint.judge(given_scripts, sources, lint.Settings(None), known)
        lines = text.count("\n") + 1
        assert all(1 <= finding.line <= lines for finding in report.findings)


@given(text=SCRIPTS)
@settings(max_examples=150, deadline=None)
def test_any_action_has_a_sequence_or_none(text: str) -> None:
    for step in Script.of("a", text).steps:
        for effect in Effect:
            assert isinstance(safe_sequence(step.action, effect), str)


@given(text=SCRIPTS)
def test_no_text_is_lost_between_statements(text: str) -> None:
    script = Script.of("a", text)
    for step in script.steps:
        statement = step.action.statement
        assert text[statement.start : statement.end] == statement.text
        assert step.action.start >= statement.start


@given(schema=st.none() | st.text(min_size=1, max_size=5), name=st.text(min_size=1, max_size=5))
def test_name_is_read_back_as_it_is_written(schema: str | None, name: str) -> None:
    written = Name(name, schema)
    (step,) = Script.of("a", f"TRUNCATE {written}").steps
    assert step.action.table == written
