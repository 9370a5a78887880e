"""Each rule for plans on each PostgreSQL that is supported: planted, found, mended, gone."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.explain_cases import CASES, CHANGES, HEALTHY, PARALLEL, SCHEMA, SERIAL, Case
from tuning.contract import Outcome
from tuning.explain.judge import judge, rules
from tuning.explain.reading import read
from tuning.explain.subject import Subject
from tuning.observe import plan_tables
from tuning.stack import postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make

# These have no fault that a server shows every time: tests/unit/test_explain_rules.py plants them in a plan.
IN_PLANS = {
    "disk-reads",
    "hot-node",
    "low-selectivity-index",
    "parallel-overhead",
    "plan-regression",
    "planning-time",
    "repeated-query",
}
BAD = (Outcome.WARN, Outcome.FAIL)
OPTIONS = "ANALYZE, VERBOSE, BUFFERS, SETTINGS"


@pytest.fixture(scope="module")
def lab(any_postgres: PostgresBinaries, state_directory: Path) -> Iterator[psycopg.Connection]:
    """A connection to a server of its own that holds the tables of the cases."""
    root = state_directory / f"explain-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    node = postgres.Server(root / "data", free_port(), root / "postgres.log")
    child = postgres.start_primary(node, any_postgres, server_account(), POSTGRES_SETTINGS, secrets)
    try:
        postgres.prepare(node, secrets, {})
        superuser = make_conninfo(node.conninfo(postgres.SUPERUSER, secrets.superuser), dbname=postgres.DATABASE)
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute("VACUUM ANALYZE")
            connection.execute(CHANGES)
            connection.execute("SELECT pg_stat_force_next_flush()")
            yield connection
    finally:
        child.stop()


def found(lab: psycopg.Connection, sql: str) -> set[str]:
    """The rules that speak, as causes or as what follows from one."""
    for _ in range(2):
        row = lab.execute(f"EXPLAIN ({OPTIONS}, FORMAT JSON) {sql}").fetchone()
    assert row is not None
    (plan,) = read(json.dumps(row[0]))
    tables = plan_tables.read(lab, {node.relation for node in plan.nodes if node.relation})
    findings = [each for each in judge(Subject(plan, tables=tables), "test").findings if each.outcome in BAD]
    explained = {text.split(":")[0].split(" at ")[0] for each in findings for text in each.explains}
    return {each.rule for each in findings} | explained


def test_every_rule_is_planted_somewhere() -> None:
    assert {case.rule for case in CASES} | IN_PLANS == {rule.id for rule in rules()}


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.rule}" for number, case in enumerate(CASES)])
def test_fault_is_found_and_gone_once_it_is_mended(lab: psycopg.Connection, case: Case) -> None:
    with lab.transaction(force_rollback=True):
        lab.execute("SET LOCAL search_path = lab")
        lab.execute("SET LOCAL statement_timeout = '20s'")
        if case.settings.get("jit") == "on" and lab.execute("SELECT pg_jit_available()").fetchone() == (False,):
            pytest.skip("this PostgreSQL compiles nothing")
        for name, value in case.settings.items():
            lab.execute(f"SET LOCAL {name} = '{value}'")
        if case.plant:
            lab.execute(case.plant)
        assert case.rule in found(lab, case.sql)
        if case.mend:
            lab.execute(case.mend)
        for name, value in case.mended.items():
            lab.execute(f"SET LOCAL {name} = '{value}'")
        assert case.rule not in found(lab, case.mended_sql or case.sql)


@pytest.mark.parametrize("settings", [SERIAL, PARALLEL], ids=["serial", "parallel"])
def test_nothing_is_found_where_nothing_is_wrong(lab: psycopg.Connection, settings: dict[str, str]) -> None:
    with lab.transaction(force_rollback=True):
        lab.execute("SET LOCAL search_path = lab")
        for name, value in {**settings, "work_mem": "64MB"}.items():
            lab.execute(f"SET LOCAL {name} = '{value}'")
        # A busy machine may have no worker to give, and take long to start one: that is found rightly.
        machine = {"workers-not-launched", "parallel-overhead"}
        assert {sql: found(lab, sql) - machine for sql in HEALTHY} == {sql: set() for sql in HEALTHY}
