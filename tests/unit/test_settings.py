"""Sizes of settings: wrong figures propose, right ones do not, and what is proposed asks for nothing more."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.unit.command import hotrow
from tests.unit.settings_cases import (
    CASES,
    FACTS,
    GB,
    MB,
    QUIET,
    SERVER,
    WEEK_S,
    Case,
    facts,
    pool,
    pools,
    server,
    settings,
)
from tuning.advisors.rules import server_settings
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.ignores import Ignore
from tuning.observe.snapshot import Hardware, Snapshot
from tuning.reports import settings as reports
from tuning.settings import formulas, postgresql_wal, recorded
from tuning.settings.facts import Advice, Facts, Machine
from tuning.settings.judge import judge
from tuning.stack import tuned
from tuning.stack.errors import StackError
from tuning.timeline import FORMAT, Header, Sample, Timeline

TODAY = date(2026, 1, 1)


def asked(found: Facts, key: str) -> Advice:
    (advice,) = (each for each in judge(found).advice if each.key == key)
    return advice


def named(case: Case) -> str:
    return f"{case.key}-{case.proposed}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_wrong_value_is_proposed_with_its_numbers(case: Case) -> None:
    advice = asked(case.wrong(FACTS), case.key)
    assert (advice.is_proposed, advice.proposed) == (True, case.proposed), advice
    assert case.told in f"{advice.formula} {advice.evidence}"
    assert advice.source
    assert advice.how


@pytest.mark.parametrize("case", CASES, ids=named)
def test_right_value_stays(case: Case) -> None:
    assert asked(case.right(FACTS), case.key).outcome is Outcome.OK


def test_every_setting_has_a_case() -> None:
    """Those that are never proposed have none."""
    never = {"autovacuum_max_workers", "statement_timeout", "lock_timeout", "synchronous_commit"}
    with_threads = {each.key for each in judge(replace(FACTS, workers=None)).advice} | {"gunicorn/threads"}
    keys = {each.key for each in judge(FACTS).advice} | with_threads
    missing = {key for key in keys if key.rpartition("/")[2] not in never} - {case.key for case in CASES}
    assert missing == {"pgbouncer/shop_lane/pool_size"}


def test_proposals_in_force_propose_nothing() -> None:
    report = judge(FACTS)
    assert len(report.proposed) > 5
    found = FACTS
    for each in report.proposed:
        if each.product == "postgresql" and each.value is not None:
            found = found.with_value(each.name, each.value)
            changed = {
                **found.server.settings,
                each.name: replace(found.server.settings[each.name], text=each.proposed),
            }
            found = server(settings=changed)(found)
    assert [each.key for each in judge(found).proposed if each.product == "postgresql"] == []


def test_work_mem_is_computed_for_the_connections_that_are_proposed() -> None:
    found = replace(FACTS, pool_servers=400)
    spilling = server(counters=replace(QUIET, temp_files=1e5, temp_bytes=1e5 * GB))(found)
    assert "423 connections" in asked(spilling, "postgresql/work_mem").formula


def test_work_mem_of_all_sessions_never_exceeds_the_memory() -> None:
    for sessions in (10, 100, 1000):
        for memory in (1 * GB, 64 * GB):
            each = formulas.work_mem_bytes(memory, memory / 4, sessions)
            assert each == formulas.MIN_WORK_MEM_BYTES or each * sessions * formulas.WORK_MEM_PARTS <= memory


def test_young_counters_are_no_evidence() -> None:
    young = server(counters=replace(QUIET, seconds=WEEK_S / 100, temp_files=1e5, temp_bytes=1e12))(FACTS)
    advice = asked(young, "postgresql/work_mem")
    assert (advice.outcome, "7 are needed" in advice.evidence) == (Outcome.SKIP, True)
    assert asked(replace(young, min_days=0.0), "postgresql/work_mem").is_proposed


@pytest.mark.parametrize(
    ("key", "option"),
    [
        ("postgresql/shared_buffers", "--memory-gib"),
        ("postgresql/max_parallel_workers", "--cores"),
        ("postgresql/random_page_cost", "--storage"),
        ("pgbouncer/shop/pool_size", "--cores"),
    ],
)
def test_unknown_machine_is_skipped_with_the_option_that_tells(key: str, option: str) -> None:
    advice = asked(replace(FACTS, machine=Machine()), key)
    assert (advice.outcome, option in advice.evidence) == (Outcome.SKIP, True)


def test_without_pgbouncer_and_gunicorn_their_settings_are_skipped() -> None:
    report = judge(replace(FACTS, pooler=None, pools=None, pool_servers=None, workers=None))
    skipped = {each.key: each.evidence for each in report.advice if each.outcome is Outcome.SKIP}
    assert {"pgbouncer/default_pool_size", "gunicorn/workers", "postgresql/max_connections"} <= set(skipped)


def test_value_of_the_role_is_not_taken_for_the_servers() -> None:
    own = settings() | {"random_page_cost": replace(settings()["random_page_cost"], source="user")}
    assert asked(server(settings=own)(FACTS), "postgresql/random_page_cost").outcome is Outcome.SKIP


def test_value_that_waits_for_a_restart_is_not_proposed_again() -> None:
    waiting = settings() | {"shared_buffers": replace(settings()["shared_buffers"], is_pending=True)}
    assert asked(server(settings=waiting)(FACTS), "postgresql/shared_buffers").outcome is Outcome.SKIP


def test_idle_pool_is_not_sized() -> None:
    advice = asked(pools(40, transactions=3.0)(FACTS), "pgbouncer/shop/pool_size")
    assert (advice.outcome, "30 are needed" in advice.evidence) == (Outcome.SKIP, True)


def test_pool_of_batches_stays_small() -> None:
    busy = facts(pools=(pool(), pool("shop_lane", xact_s=80.0)))(FACTS)
    assert asked(busy, "pgbouncer/shop_lane/pool_size").outcome is Outcome.OK
    assert asked(pools(2, xact_s=80.0)(FACTS), "pgbouncer/shop/pool_size").proposed == "9"


def test_pool_does_not_grow_while_the_processors_are_full() -> None:
    assert FACTS.evidence is not None
    assert FACTS.evidence.processors is not None
    short = pools(2, xact_s=30.0)(FACTS)
    assert asked(short, "pgbouncer/shop/pool_size").proposed == "7"
    full = replace(FACTS.evidence, processors=replace(FACTS.evidence.processors, idle=0.05))
    assert asked(replace(short, evidence=full), "pgbouncer/shop/pool_size").outcome is Outcome.OK


def test_one_server_more_is_noise_unless_somebody_waits() -> None:
    key = "pgbouncer/shop/pool_size"
    assert asked(pools(1, xact_s=2.5, queue=0.0)(FACTS), key).outcome is Outcome.OK
    assert asked(pools(1, xact_s=2.5, queue=1.5)(FACTS), key).proposed == "2"


def test_counters_that_no_timeline_has_are_not_said_to_be_in_one() -> None:
    young = server(wal=replace(SERVER.wal, seconds=60.0))(FACTS)  # type: ignore[type-var]
    assert "--timeline" not in asked(young, "postgresql/checkpoint_timeout").evidence
    assert "--timeline" in asked(young, "postgresql/max_wal_size").evidence


def test_old_pgbouncer_is_asked_for_no_prepared_statements() -> None:
    assert FACTS.pooler is not None
    old = replace(FACTS, pooler=replace(FACTS.pooler, version=(1, 18, 0)))
    assert asked(old, "pgbouncer/max_prepared_statements").outcome is Outcome.SKIP


def test_synchronous_commit_is_never_proposed_and_its_loss_is_told() -> None:
    advice = postgresql_wal.synchronous_commit(FACTS)
    assert (advice.is_proposed, "600 ms" in advice.evidence) == (False, True)


def test_change_within_a_quarter_is_noise() -> None:
    for factor, is_noise in ((0.8, True), (1.2, True), (0.6, False), (1.5, False)):
        near = server(settings=settings(effective_cache_size=12 * GB * factor))(FACTS)
        assert (asked(near, "postgresql/effective_cache_size").outcome is Outcome.OK) == is_noise


def test_ignored_proposal_neither_counts_nor_is_in_the_diff() -> None:
    accepted = (Ignore("postgresql/shared_buffers", "shared host", date(2027, 1, 1)),)
    before, after = judge(FACTS), judge(FACTS, accepted, TODAY)
    assert after.count(Outcome.WARN) == before.count(Outcome.WARN) - 1
    assert not any("shared_buffers" in line for line in reports.diff(after.proposed, FACTS.pooler))
    assert judge(FACTS, accepted, date(2027, 1, 1)).count(Outcome.WARN) == before.count(Outcome.WARN)


def test_diff_has_each_line_before_and_after() -> None:
    report = judge(pools(40, xact_s=200.0)(FACTS))
    text = list(reports.diff(report.proposed, FACTS.pooler))
    assert "+shared_buffers = '4GB'" in text
    assert any(line.startswith("-shop = ") and line.endswith("pool_size=40") for line in text)
    assert any(line.startswith("+shop = ") and line.endswith("pool_size=9") for line in text)


def test_markdown_and_json_hold_every_proposal() -> None:
    report = judge(FACTS)
    markdown = "\n".join(reports.markdown(report, FACTS.pooler))
    told = {each["key"] for each in reports.as_json(report, FACTS.pooler)["advice"] if each["outcome"] == "WARN"}
    assert told == {each.key for each in report.proposed if each.outcome is Outcome.WARN}
    assert all(each.key in markdown for each in report.proposed)


def test_rule_of_advise_has_the_same_formula() -> None:
    values: dict[str, str | float] = {name: each.value for name, each in SERVER.settings.items()}
    snapshot = Snapshot(version=170000, settings=values, hardware=Hardware(int(16 * GB), 4))
    (found,) = (each for each in server_settings.check(Subject(snapshot)) if each.about == "shared_buffers")
    assert f"{formulas.shared_buffers_bytes(16 * GB) / MB:.0f}MB" in found.sql[0]
    assert asked(FACTS, "postgresql/shared_buffers").value == formulas.shared_buffers_bytes(16 * GB)


INI = "[databases]\nshop = host=x pool_size=8\nshop_lane = host=x pool_size=2\n\n[pgbouncer]\nquery_wait_timeout = 5\n"


def test_pgbouncer_ini_is_changed_in_place_and_added_to() -> None:
    text = tuned.configured(INI, {"shop/pool_size": "6", "query_wait_timeout": "3", "reserve_pool_size": "0"})
    assert "shop = host=x pool_size=6\nshop_lane = host=x pool_size=2\n" in text
    assert text.endswith("query_wait_timeout = 3\nreserve_pool_size = 0\n")


def test_pgbouncer_ini_without_the_database_is_refused() -> None:
    with pytest.raises(StackError, match="no database other"):
        tuned.configured(INI, {"other/pool_size": "6"})


def test_timeline_with_samples_of_another_form_exits_2(tmp_path: Path) -> None:
    file = tmp_path / "timeline.jsonl"
    lines = [{"format": FORMAT, "started": 0, "sources": [], "facts": {}}]
    lines += [{"t": t, "kind": "database", "totals": 3, "tables": []} for t in (1, 2)]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    done = hotrow("settings", "--dsn", "host=127.0.0.1 port=1", "--timeline", str(file))
    assert (done.returncode, "another form" in done.stderr) == (2, True)


def test_timeline_gives_rates_of_its_own_time() -> None:
    totals = [
        {"xact_commit": 0, "xact_rollback": 0, "temp_files": 0, "temp_bytes": 0, "wal_bytes": 0, "wal_syncs": 0},
        {"xact_commit": 90, "xact_rollback": 10, "temp_files": 2, "temp_bytes": 50, "wal_bytes": 1000, "wal_syncs": 5},
    ]
    samples = tuple(Sample(10.0 * n, "database", {"totals": each, "tables": []}) for n, each in enumerate(totals))
    found = recorded.reduce(Timeline(Header(0.0), samples))
    assert found.counters is not None
    assert found.wal is not None
    assert (found.counters.seconds, found.counters.commits, found.counters.temp_bytes) == (10, 100, 50)
    assert (found.wal.bytes, found.wal.flushes, found.wal.flush_ms, found.wal.commits) == (1000, 5, None, 100)
    assert recorded.reduce(Timeline(Header(0.0), samples[:1])).counters is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give --dsn"),
        (["--dsn", "host=127.0.0.1 port=1 user=x dbname=x"], "port 1"),
        (["--dsn", "no such thing"], "missing"),
        (["--dsn", "host=x", "--storage", "tape"], "ssd, hdd"),
        (["--dsn", "host=x", "--apply"], "by hand"),
        (["--dsn", "host=x", "--run", "a", "--timeline", "b"], "give one"),
        (["--dsn", "host=x", "--timeline", "pyproject.toml"], "broken"),
        (["--dsn", "host=x", "--timeline", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--dsn", "host=x", "--instance", "y"], "leave --dsn"),
        (["--instance", "nobody"], "not running"),
        (["--dsn", "host=x", "--memory-gib", "1e9"], "65536"),
    ],
)
def test_wrong_input_exits_2_with_what_to_do(arguments: list[str], words: str) -> None:
    done = hotrow("settings", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
