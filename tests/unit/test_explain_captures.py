"""Captured statements are grouped by shape and route, with their values; what is broken is counted."""

import json
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from service.capture.parameters import Encoder
from tests.unit.test_explain_rules import findings
from tuning.explain import captures
from tuning.explain.captured_values import plain
from tuning.explain.errors import Unreadable
from tuning.explain.fingerprints import _PLACEHOLDER, _shape, _value, shape, without_values
from tuning.explain.subject import Subject
from tuning.ignores import covering, read

SAME = [
    ("SELECT * FROM t WHERE a = 1", "select *\n from t -- it\n where a = -27.5"),
    ("SELECT * FROM t WHERE a = %s", "SELECT * FROM t WHERE a = 'x; y'"),
    ("SELECT * FROM t WHERE a = %(id)s", "SELECT * FROM t WHERE a = $1;"),
    ("SELECT * FROM t WHERE a IN (1, 2, 3)", "SELECT * FROM t WHERE a IN (%s)"),
    ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (%s, %s)"),
    ("SELECT 'it''s', $$a$$, E'\\'' FROM t", "SELECT 'a', 'b', 'c' FROM t"),
]
OTHER = [
    ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE b = 1"),
    ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE a > 1"),
    ('SELECT "A" FROM t', 'SELECT "a" FROM t'),
    ("SELECT a - 1 FROM t", "SELECT a + 1 FROM t"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t"),
]


def line(sql: str, *, request: str = "r1", ms: float = 1.0, params: Any = None, **more: Any) -> str:
    call = {"v": 1, "at": "2026-11-22T20:00:00Z", "request_id": request, "route": "/list", "sql": sql, "params": params}
    return json.dumps(call | {"duration_ms": ms, "caller": "views.py:10", "many": False, "error": None} | more)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_values_are_no_part_of_a_shape(one: str, other: str) -> None:
    assert shape(one) == shape(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_everything_else_is(one: str, other: str) -> None:
    assert shape(one)[0] != shape(other)[0]


@given(text=st.text(max_size=60) | st.text("'\"$();%s,-/*E ", max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_shape(text: str) -> None:
    assert len(shape(text)[0]) == 12


@given(text=st.text(max_size=60) | st.text("'\"$;%s()-/*=>:eExuU&_1 a.\\\n", max_size=40))
@settings(max_examples=2_000, deadline=None)
def test_value_that_is_folded_early_changes_no_shape(text: str) -> None:
    whole = _PLACEHOLDER.sub(_value, text)
    assert _shape(without_values(text)) == _shape(whole)


def test_texts_with_other_values_are_one_text_early() -> None:
    texts = [f"SELECT a1 FROM t WHERE b = {n} AND c = 'it''s {n}' AND d = E'\\'{n}'" for n in (1, 2.5)]
    assert len({without_values(each) for each in texts}) == 1
    # The control: what stands in names is no value.
    assert len({without_values(f'SELECT a{n}, "it\'s {n}" FROM t') for n in (1, 2)}) == 2


def test_groups_are_ranked_by_time_and_keep_the_slowest_values() -> None:
    lines = [line("SELECT a FROM t WHERE id = %s", ms=2, params=[n]) for n in range(3)]
    lines += [line("SELECT b FROM t WHERE id = %s", ms=1, params=[1]), "{broken", "[]", '{"v": 1}', ""]
    lines.append(
        line("SELECT b FROM t WHERE id = %s", ms=9, params=[{"type": "numeric", "value": "1.5"}], route="/other")
    )
    (first, second, third), broken = captures.group(lines)
    assert broken == 3
    assert (first.route, first.total_ms, captures.values_of(first)) == ("/other", 9.0, [Decimal("1.5")])
    assert (second.calls, second.total_ms) == (3, 6.0)
    assert third.calls == 1


def test_repeats_of_one_request_are_found_and_of_many_are_not() -> None:
    (one,), _ = captures.group([line("SELECT a FROM t WHERE id = %s", params=[n]) for n in range(5)])
    (found,) = findings(Subject(statement=one.statement()))
    assert (found.rule, "up to 5 times in one request of /list" in found.message) == ("repeated-query", True)
    apart = [line("SELECT a FROM t WHERE id = %s", params=[n], request=f"r{n}") for n in range(5)]
    (one,), _ = captures.group(apart)
    assert findings(Subject(statement=one.statement())) == []


@pytest.mark.parametrize(
    "value",
    [
        7,
        None,
        True,
        1.5,
        float("inf"),
        "text",
        UUID("12345678-1234-5678-1234-567812345678"),
        Decimal("1.50"),
        date(2026, 11, 22),
        datetime(2026, 11, 22, 20, tzinfo=UTC),
        clock(20, 15),
        timedelta(seconds=1.5),
        b"\0\1",
        ["a", [Decimal(1)]],
    ],
)
def test_values_are_read_as_the_middleware_wrote_them(value: Any) -> None:
    written = json.loads(json.dumps(Encoder().value(value)))
    assert (plain(written), type(plain(written))) == (value, type(value))


def test_documents_and_other_types_go_as_psycopg_would_send_them() -> None:
    document = plain(json.loads(json.dumps(Encoder().value(Jsonb({"a": [1, None]})))))
    assert isinstance(document, Jsonb)
    assert document.obj == {"a": [1, None]}
    assert plain(Encoder().value(ip_address("::1"))) == "::1"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"params": [{"type": "redacted"}]}, "kept out"),
        ({"params": ["x"], "truncated": True}, "cut"),
        ({"params": ["x"], "error": "57014"}, "failed"),
    ],
)
def test_call_without_its_values_is_not_run(more: dict[str, Any], why: str) -> None:
    sql = "SELECT a FROM t WHERE b = %s"
    (alone,), _ = captures.group([line(sql, ms=9, **more)])
    with pytest.raises(Unreadable, match=why):
        captures.values_of(alone)
    # The control: a call that was faster, and is whole.
    (found,), _ = captures.group([line(sql, ms=9, **(more | {"truncated": True})), line(sql, ms=1, params=["y"])])
    assert captures.values_of(found) == ["y"]


def test_value_that_is_none_of_its_type_is_told() -> None:
    with pytest.raises(Unreadable, match="uuid"):
        plain({"type": "uuid", "value": "x"})


@pytest.mark.parametrize("lines", [[], ["x"], ["{}"], [line("SELECT 1", v=2)]])
def test_input_without_a_captured_statement_is_told(lines: list[str]) -> None:
    with pytest.raises(Unreadable):
        captures.group(lines)


def test_ignores_have_a_reason_and_an_end(tmp_path: Path) -> None:
    file = tmp_path / "ignore.toml"
    file.write_text('[[ignore]]\nkey = "slow-scan/*"\nreason = "ten rows"\nuntil = 2027-01-31\n')
    accepted = read(file)
    found = covering(accepted, "slow-scan/abc/t", date(2027, 1, 30))
    assert found is not None
    assert found.reason == "ten rows"
    assert covering(accepted, "slow-scan/abc/t", date(2027, 1, 31)) is None
    assert covering(accepted, "sort-spill/abc/t", date(2027, 1, 1)) is None
    for broken in (
        'key = "a"',
        'key = "*"\nreason = "b"\nuntil = 2027-01-31',
        'key = "a"\nreason = "b"\nuntil = "soon"',
        "= x",
    ):
        file.write_text(f"[[ignore]]\n{broken}\n")
        with pytest.raises(ValueError, match="ignore"):
            read(file)
