"""Each rule about a server on each PostgreSQL that is supported: none, planted, found, mended, none."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.advise_cases import CASES, INDEX, KEY, PARENT, ROWS, Case, aged, database, settings
from tuning.advisors.findings import Finding
from tuning.advisors.judge import judge
from tuning.advisors.rules import load
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe import catalog
from tuning.observe.activity import Prepared, Slot
from tuning.observe.snapshot import Hardware, Snapshot
from tuning.stack import postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make

BAD = (Outcome.WARN, Outcome.FAIL)
# Rules whose faults are sessions: tests of their own below. The loop's is tests/unit/test_advise.py.
OF_SESSIONS = {
    "blocked-sessions",
    "connection-saturation",
    "idle-connections",
    "idle-in-transaction",
    "session-churn",
    "xmin-horizon",
}
DEADLINE_S = 60
GIB = 1024**3


@pytest.fixture(scope="module")
def server(any_postgres: PostgresBinaries, state_directory: Path) -> Iterator[str]:
    """The superuser's address of a server of its own, with room for 30 connections."""
    root = state_directory / f"advise-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    node = postgres.Server(root / "data", free_port(), root / "postgres.log")
    own = {"max_connections": "30", "max_prepared_transactions": "2", "autovacuum_naptime": "1h"}
    child = postgres.start_primary(node, any_postgres, server_account(), {**POSTGRES_SETTINGS, **own}, secrets)
    try:
        postgres.prepare(node, secrets, {})
        dsn = make_conninfo(node.conninfo(postgres.SUPERUSER, secrets.superuser), dbname=postgres.DATABASE)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pgstattuple")
        yield dsn
    finally:
        child.stop()


@pytest.fixture
def lab(server: str) -> Iterator[psycopg.Connection]:
    """A connection to it with an empty schema lab; it runs statements one at a time."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS lab CASCADE")
        connection.execute("CREATE SCHEMA lab")
        yield connection


def run(connection: psycopg.Connection, statements: tuple[str, ...]) -> None:
    """Run each alone; one that begins with ! has to fail."""
    for statement in statements:
        if statement.startswith("! "):
            with pytest.raises(psycopg.Error):
                connection.execute(statement[2:])
        else:
            connection.execute(statement)
    connection.execute("SELECT pg_stat_force_next_flush()")


def read(server: str) -> Snapshot:
    return catalog.read(server, hardware=Hardware(GIB, 2))


def findings(snapshot: Snapshot, rule: str, about: str | None = None) -> list[Finding]:
    return [
        each
        for each in judge(Subject(snapshot)).findings
        if each.rule == rule and (about is None or each.about == about)
    ]


def faults(snapshot: Snapshot, rule: str, about: str | None = None) -> list[Finding]:
    return [each for each in findings(snapshot, rule, about) if each.outcome in BAD]


def until(found: Callable[[], bool]) -> None:
    """Wait for a state of the server."""
    deadline = time.monotonic() + DEADLINE_S
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_rule_is_planted_somewhere() -> None:
    assert {case.rule for case in CASES} | OF_SESSIONS | {"n-plus-one"} == {rule.id for rule in load()}


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.rule}" for number, case in enumerate(CASES)])
def test_fault_is_found_and_gone_once_it_is_mended(server: str, lab: psycopg.Connection, case: Case) -> None:
    run(lab, case.setup)
    until(lambda: faults(case.view(read(server)), case.rule, case.about) == [])
    run(lab, case.plant)
    until(lambda: bool(faults(case.fault(case.view(read(server))), case.rule, case.about)))
    (found,) = faults(case.fault(case.view(read(server))), case.rule, case.about)
    if case.plant:
        run(lab, case.mend or found.sql)
    until(lambda: faults(case.view(read(server)), case.rule, case.about) == [])


@pytest.mark.parametrize(
    "other",
    [
        "(t text_pattern_ops)",
        "(t DESC)",
        "(t NULLS FIRST)",
        '(t COLLATE "C")',
        "(t) WHERE v > 5",
        "(t) INCLUDE (v)",
        "(lower(t))",
        "(v, t)",
    ],
)
def test_index_of_another_definition_is_neither_twin_nor_beginning(
    server: str, lab: psycopg.Connection, other: str
) -> None:
    run(lab, (ROWS, "CREATE INDEX t_t ON lab.t (t, v, id)", f"CREATE INDEX t_other ON lab.t {other}"))
    snapshot = read(server)
    expected = ["lab.t_other"] if other == "(t) INCLUDE (v)" else []
    assert [each.about for each in faults(snapshot, "redundant-index")] == expected
    assert faults(snapshot, "duplicate-index") == []


@pytest.mark.parametrize(
    ("kept", "other", "is_twin"),
    [
        ("CREATE UNIQUE INDEX a ON lab.t (v)", "CREATE UNIQUE INDEX b ON lab.t (v)", True),
        ("CREATE UNIQUE INDEX a ON lab.t (v)", "CREATE UNIQUE INDEX b ON lab.t (v) NULLS NOT DISTINCT", False),
        ("CREATE INDEX a ON lab.t (v)", "ALTER TABLE lab.t ADD CONSTRAINT b EXCLUDE (v WITH =)", True),
        (
            "ALTER TABLE lab.t ADD CONSTRAINT a UNIQUE (v) DEFERRABLE",
            "CREATE UNIQUE INDEX b ON lab.t (v)",
            False,
        ),
    ],
)
def test_twin_that_refuses_more_is_never_the_one_that_goes(
    server: str, lab: psycopg.Connection, kept: str, other: str, is_twin: bool
) -> None:
    run(lab, ("CREATE TABLE lab.t (v int)", kept, other))
    found = faults(read(server), "duplicate-index")
    assert bool(found) == is_twin
    if found:
        assert found[0].about == ("lab.a" if "EXCLUDE" in other else "lab.b")


def test_index_of_one_partition_that_serves_the_key_of_all_is_kept(server: str, lab: psycopg.Connection) -> None:
    run(
        lab,
        (
            "CREATE TABLE lab.parent (id int PRIMARY KEY)",
            "INSERT INTO lab.parent SELECT generate_series(1, 20000)",
            "CREATE TABLE lab.p (id int, v int REFERENCES lab.parent) PARTITION BY RANGE (id)",
            "CREATE TABLE lab.t PARTITION OF lab.p FOR VALUES FROM (0) TO (1000000)",
            "INSERT INTO lab.p SELECT n, n FROM generate_series(1, 20000) AS n",
            INDEX,
        ),
    )
    assert faults(aged(read(server)), "unused-index") == []
    run(lab, ("ALTER TABLE lab.p DROP CONSTRAINT p_v_fkey",))
    assert [each.about for each in faults(aged(read(server)), "unused-index")] == ["lab.t_v"]


def test_index_that_enforces_or_serves_a_foreign_key_is_never_droppable(server: str, lab: psycopg.Connection) -> None:
    run(lab, (*PARENT, KEY, INDEX, "CREATE UNIQUE INDEX t_id ON lab.t (id)"))
    snapshot = aged(read(server))
    assert faults(snapshot, "unused-index") == []
    run(lab, ("ALTER TABLE lab.t DROP CONSTRAINT t_v_fk",))
    assert [each.about for each in faults(aged(read(server)), "unused-index")] == ["lab.t_v"]


def test_part_of_a_partitioned_index_is_no_finding_but_the_whole_is(server: str, lab: psycopg.Connection) -> None:
    run(
        lab,
        (
            "CREATE TABLE lab.p (id int, v int) PARTITION BY RANGE (id)",
            "CREATE TABLE lab.p1 PARTITION OF lab.p FOR VALUES FROM (0) TO (1000000)",
            "INSERT INTO lab.p SELECT n, n FROM generate_series(1, 20000) AS n",
            "CREATE INDEX p_v ON lab.p (v)",
        ),
    )
    (found,) = faults(aged(read(server)), "unused-index")
    assert found.about == "lab.p_v"
    run(lab, found.sql)
    assert faults(aged(read(server)), "unused-index") == []


def test_disuse_is_no_claim_while_statistics_are_young(server: str, lab: psycopg.Connection) -> None:
    run(lab, (ROWS, INDEX))
    young = database(statistics_age_s=86_400.0)(read(server))
    (found,) = findings(young, "unused-index", "lab.t_v")
    assert found.outcome is Outcome.SKIP
    assert "1.0 days old, and 7 are needed" in found.message
    assert not found.sql
    (claimed,) = findings(aged(young), "unused-index", "lab.t_v")
    assert claimed.outcome is Outcome.WARN


def test_bloat_without_pgstattuple_is_called_an_estimate(server: str, lab: psycopg.Connection) -> None:
    bloat = next(case for case in CASES if case.rule == "index-bloat")
    run(lab, (*bloat.setup, *bloat.plant))
    snapshot = read(server)
    (measured,) = faults(snapshot, "index-bloat")
    assert "measured" in measured.message
    unmeasured = replace(snapshot, indexes=tuple(replace(each, leaf_density=None) for each in snapshot.indexes))
    (estimated,) = faults(unmeasured, "index-bloat")
    assert "estimated" in estimated.message
    run(lab, estimated.sql)
    rebuilt = read(server)
    sizes = {each.name: each for each in rebuilt.indexes}
    expected = sizes["lab.t_v"].expected_bytes
    assert expected is not None
    assert 0.8 < expected / sizes["lab.t_v"].size_bytes < 1.25


def test_open_snapshot_prepared_transaction_and_slot_hold_the_horizon(server: str, lab: psycopg.Connection) -> None:
    run(lab, (ROWS,))
    assert faults(read(server), "xmin-horizon") == []
    with psycopg.connect(server, application_name="old") as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM lab.t").fetchall()
        snapshot = read(server)
        held = tuple(
            replace(each, transaction_age_s=7200.0) if each.application == "old" else each for each in snapshot.sessions
        )
        (found,) = faults(replace(snapshot, sessions=held), "xmin-horizon")
        assert "(old)" in found.message
        holder.rollback()
    lab.execute("BEGIN; INSERT INTO lab.t VALUES (1, 1, 'x'); PREPARE TRANSACTION 'it''s'")
    snapshot = read(server)
    (prepared,) = snapshot.replication.prepared
    old = replace(snapshot.replication, prepared=(replace(prepared, age_s=30_000.0),))
    (found,) = faults(replace(snapshot, replication=old), "xmin-horizon")
    assert found.outcome is Outcome.FAIL
    run(lab, found.sql)
    after = read(server)
    assert after.replication.prepared == ()
    slot = Slot("gone", "logical", is_active=False, catalog_xmin_age=2_000_000)
    (found,) = faults(replace(after, replication=replace(after.replication, slots=(slot,))), "xmin-horizon")
    assert found.about == "slot gone"
    assert faults(after, "xmin-horizon") == []
    assert isinstance(prepared, Prepared)


def test_full_server_and_idle_connections_are_found_and_gone(server: str) -> None:
    until(lambda: not faults(read(server), "connection-saturation"))
    assert faults(read(server), "idle-connections") == []
    with ExitStack() as opened:
        for _ in range(21):
            opened.enter_context(psycopg.connect(server, autocommit=True, application_name="crowd"))
        snapshot = read(server)
        assert faults(snapshot, "connection-saturation")
        (found,) = faults(snapshot, "idle-connections")
        assert "(crowd)" in found.message
    until(lambda: not faults(read(server), "connection-saturation"))
    assert faults(read(server), "idle-connections") == []


def test_short_sessions_are_found_and_gone(server: str, lab: psycopg.Connection) -> None:
    run(lab, ("SELECT pg_stat_reset()",))
    until(lambda: not faults(read(server), "session-churn"))
    for _ in range(100):
        psycopg.connect(server).close()
    until(lambda: bool(faults(read(server), "session-churn")))
    lost = database(sessions_abandoned=50)(read(server))
    assert faults(lost, "session-churn")[0].outcome is Outcome.FAIL
    run(lab, ("SELECT pg_stat_reset()",))
    until(lambda: not faults(read(server), "session-churn"))


def test_idle_transaction_is_found_with_its_statement_and_ended(server: str, lab: psycopg.Connection) -> None:
    view = settings(idle_in_transaction_session_timeout=1.0)
    run(lab, (ROWS,))
    until(lambda: not faults(view(read(server)), "idle-in-transaction"))
    with closing(psycopg.connect(server, application_name="thinker")) as idler:
        idler.execute("SELECT 42 FROM lab.t LIMIT 1").fetchall()
        until(lambda: bool(faults(view(read(server)), "idle-in-transaction")))
        (found,) = faults(view(read(server)), "idle-in-transaction")
        assert "(thinker)" in found.message
        assert "SELECT 42" in found.message
        assert faults(read(server), "idle-in-transaction") == []
        run(lab, found.sql)
    until(lambda: not faults(view(read(server)), "idle-in-transaction"))


def test_blocker_is_named_at_the_root_of_the_tree(server: str, lab: psycopg.Connection) -> None:
    run(lab, (ROWS,))
    assert faults(read(server), "blocked-sessions") == []
    update = "UPDATE lab.t SET v = 1 WHERE id = 1"
    threads = []
    with psycopg.connect(server, application_name="holder") as holder:
        holder.execute(update)
        for number in range(2):

            def wait(name: str = f"waiter-{number}") -> None:
                with psycopg.connect(server, application_name=name) as waiter:
                    waiter.execute(update)

            threads.append(threading.Thread(target=wait))
            threads[-1].start()
        until(lambda: any("blocks 2 sessions" in each.message for each in faults(read(server), "blocked-sessions")))
        (found,) = faults(read(server), "blocked-sessions")
        assert "(holder)" in found.message
        assert str(holder.info.backend_pid) in found.sql[0]
        holder.rollback()
        for thread in threads:
            thread.join(DEADLINE_S)
    until(lambda: not faults(read(server), "blocked-sessions"))


def test_monitor_reads_all_and_a_plain_role_says_what_it_may_not(server: str, lab: psycopg.Connection) -> None:
    run(lab, (ROWS, "CREATE SEQUENCE lab.s"))
    for role, grant in (("watcher", "GRANT pg_monitor TO watcher"), ("plain", "")):
        lab.execute(f"DROP ROLE IF EXISTS {role}")
        lab.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        if grant:
            lab.execute(grant)
    try:
        everything = catalog.read(make_conninfo(server, user="watcher", password="secret"))
        assert set(everything.unreadable) == {"predicates"}
        assert all(rule.outcome is not Outcome.FAIL or rule.reason for rule in judge(Subject(everything)).rules)
        little = catalog.read(make_conninfo(server, user="plain", password="secret"))
        assert {"sessions", "statements", "density"} <= set(little.unreadable)
        outcomes = {rule.rule: rule for rule in judge(Subject(little)).rules}
        assert outcomes["blocked-sessions"].outcome is Outcome.SKIP
        assert 'GRANT pg_monitor TO "plain"' in outcomes["blocked-sessions"].reason
        assert outcomes["slow-statements"].outcome is Outcome.SKIP
        assert outcomes["sequence-exhaustion"].outcome is Outcome.SKIP
        assert outcomes["duplicate-index"].outcome is Outcome.OK
    finally:
        lab.execute("DROP ROLE watcher, plain")


def test_table_under_a_strong_lock_is_read_with_noted_sizes(server: str, lab: psycopg.Connection) -> None:
    run(lab, (ROWS, INDEX, "ANALYZE lab.t"))
    with psycopg.connect(server) as locker:
        locker.execute("LOCK TABLE lab.t")
        snapshot = read(server)
        (table,) = (each for each in snapshot.tables if each.name == "lab.t")
        assert table.heap_bytes > 0
        assert "tables" not in snapshot.unreadable
        locker.rollback()
