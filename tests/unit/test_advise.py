"""What rules about a server need no server for: HOT forecasts, UPDATEs, loops, and the contract of each rule."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.command import ROOT, hotrow
from tuning.advisors.hot_loss import forecast
from tuning.advisors.judge import NEEDS, judge
from tuning.advisors.rules import Rule, load
from tuning.advisors.subject import Subject
from tuning.advisors.updates import shares, updates
from tuning.chain import rules as chain
from tuning.contract import Outcome
from tuning.diagnose import rules as diagnose
from tuning.explain import loops
from tuning.explain import rules as explain
from tuning.explain.errors import Unreadable
from tuning.migrations import rules as migrations
from tuning.observe.relations import Index, Key, Table
from tuning.observe.snapshot import Database, Predicate, Snapshot


@pytest.mark.parametrize("rule", load(), ids=lambda rule: rule.id)
def test_rule_keeps_the_contract(rule: Rule) -> None:
    assert (ROOT / "tuning/advisors/rules" / f"{rule.id.replace('-', '_')}.py").is_file()
    assert rule.title.endswith(".")
    assert all(text.endswith((".", ")")) for text in (rule.when, rule.why, rule.remedy))
    assert rule.needs
    assert set(rule.needs) <= set(NEEDS)
    assert rule.weight in (1, 2, 3)
    others = (*chain.load(), *diagnose.load(), *explain.load(), *migrations.load())
    assert rule.id not in {each.id for each in others}


def test_there_are_the_26_rules_of_the_catalog_and_one_for_loops() -> None:
    assert len(load()) == 27


def test_rule_is_skipped_with_the_reason_where_a_part_is_missing() -> None:
    snapshot = Snapshot(180000, unreadable=dict.fromkeys(NEEDS, "no privilege"))
    report = judge(Subject(snapshot), {"wraparound": "excluded by --exclude"})
    reasons = {each.rule: each.reason for each in report.rules}
    assert {each.outcome for each in report.rules} == {Outcome.SKIP}
    assert reasons.pop("wraparound") == "excluded by --exclude"
    assert reasons.pop("n-plus-one") == "no captured statements were given: --captures"
    assert set(reasons.values()) == {"no privilege"}


def test_command_knows_the_rules() -> None:
    shown = hotrow("rules", "show", "unused-index")
    assert "Remedy: DROP INDEX CONCURRENTLY" in shown.stdout
    listed = {each["id"]: each["from"] for each in json.loads(hotrow("rules", "list", "--json").stdout)}
    assert {listed[rule.id] for rule in load()} == {"hotrow advise"}


def test_forecast_counts_the_share_of_updates_that_set_a_column() -> None:
    loss = forecast("t", ["status", "id"], {"status": 0.25, "seen": 1.0}, 1000, 800)
    assert (loss.columns, loss.share, loss.updates, loss.hot_ratio) == (("status",), 0.25, 200, 0.8)
    assert loss.is_harmful
    assert forecast("t", ["a", "b"], {"a": 0.75, "b": 0.75}, 1000, 800).share == 1.0
    assert forecast("t", ["status"], {"status"}, 1000, 800).updates == 800


def test_forecast_harms_nothing_where_no_update_sets_the_columns() -> None:
    loss = forecast("t", ["id"], {"status": 1.0}, 1000, 800)
    assert (loss.columns, loss.updates, loss.is_harmful) == ((), 0, False)


def test_forecast_is_unknown_and_not_harmless_where_no_update_was_seen() -> None:
    loss = forecast("t", ["id"], None, 1000, 800)
    assert (loss.share, loss.updates) == (None, None)
    assert "unknown" in str(loss)


@pytest.mark.parametrize(("version", "lost"), [(150000, 800), (160000, 0)])
def test_brin_keeps_updates_hot_from_16_on(version: int, lost: int) -> None:
    assert forecast("t", ["at"], ["at"], 1000, 800, method="brin", version=version).updates == lost


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('UPDATE "Shop" SET "Status" = %s, seen = now() WHERE a = 1', [("Shop", {"Status", "seen"})]),
        ("update only s.t AS x set (a, b) = (select c, d from q), e = f(g, h) from z", [("t", {"a", "b", "e"})]),
        ("WITH u AS (UPDATE t SET a = 1 RETURNING id) SELECT a FROM u", [("t", {"a"})]),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b", [("t", {"b"})]),
        ("SELECT a FROM t WHERE b = 1 FOR NO KEY UPDATE", []),
        ("SELECT 'UPDATE t SET a = 1'", []),
    ],
)
def test_columns_that_an_update_sets(sql: str, expected: list[tuple[str, set[str]]]) -> None:
    assert list(updates(sql)) == expected


def test_shares_are_of_the_tables_updates() -> None:
    assert shares([("UPDATE t SET a = 1", 3), ("UPDATE t SET b = 1, a = 2", 1)]) == {"t": {"a": 1.0, "b": 0.25}}


def lines(calls: int, ms: float, route: str = "orders/") -> Iterator[str]:
    """One request's captured calls, 100 ms from one end to the next."""
    for number in range(calls):
        call = {
            "v": 1,
            "at": f"2026-11-22T10:00:00.{number}00000+00:00",
            "request_id": f"{route}{calls}",
            "route": route,
            "sql": "SELECT * FROM item WHERE id = %s",
            "params": [number],
            "duration_ms": ms,
            "caller": "shop/views.py:7 list",
        }
        yield json.dumps(call)


def test_loops_are_ranked_by_time_and_not_by_count() -> None:
    seen = loops.read([*lines(9, 1.0, "many/"), *lines(4, 400.0, "slow/"), *lines(2, 900.0, "twice/")])
    slow, many = seen.loops()
    assert (slow.route, slow.calls, slow.database_ms, slow.pool_ms) == ("slow/", 4, 1600.0, 1600.0)
    assert (many.route, many.calls, many.database_ms) == ("many/", 9, 9.0)
    # From 1 ms before the first one's end to the last one's, 800 ms later.
    assert many.pool_ms == pytest.approx(801.0, abs=0.1)
    assert [each.about.split("/")[0] for each in judge(Subject(Snapshot(180000), (slow, many))).findings[:2]] == [
        "slow",
        "many",
    ]


def test_request_that_asks_once_for_all_is_no_loop() -> None:
    assert loops.read(lines(1, 5.0)).loops() == ()
    outcomes = {each.rule: each.outcome for each in judge(Subject(Snapshot(180000), ())).rules}
    assert outcomes["n-plus-one"] is Outcome.OK


def test_file_without_captured_statements_is_refused() -> None:
    with pytest.raises(Unreadable, match="no captured statement"):
        loops.read(["{}", "x"])


def test_skip_scan_is_told_from_18_on_alone() -> None:
    key = Key("a", "a", 1, 0)
    index = Index(2, "t_a_b", "t_a_b", 1, "btree", (key, replace(key, text="b", column="b")), "")
    table = Table(1, "t", "t", updates=10, hot_updates=10)
    predicate = Predicate(1, "b", "=", calls=10, rows=200_000, filtered=190_000)
    database = Database("d", 1, 1e7, True, 1, 1, 1, "d")
    snapshot = Snapshot(180000, database=database, tables=(table,), indexes=(index,), predicates=(predicate,))
    for version, is_told in ((180000, True), (170000, False)):
        found = [
            each
            for each in judge(Subject(replace(snapshot, version=version), updated={"t": {"b": 1.0}})).findings
            if each.rule == "unindexed-predicate"
        ]
        assert ["may skip to" in each.message for each in found] == [is_told]
        assert "up to 100% of t's HOT updates" in found[0].message


def test_documents_name_each_option() -> None:
    told = Path(ROOT / "docs/howto/advise.md").read_text()
    for option in ("--dsn", "--replica", "--captures", "--only", "--exclude", "--ignore-file", "--json", "--fail-on"):
        assert option in told
