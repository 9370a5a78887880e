"""Live facts on each PostgreSQL that is supported: what is read, and what the linter makes of it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tuning.contract import Outcome
from tuning.migrations import lint, squawk
from tuning.migrations.findings import Finding
from tuning.migrations.sources import Sources
from tuning.observe import tables
from tuning.observe.facts import ServerFacts
from tuning.stack import postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make
from tuning.stack.stack import Stack

# 60 MB: a rewrite takes more than a second at the assumed rate, a scan does not.
LARGE_ROWS = 200_000
BAD = (Outcome.WARN, Outcome.FAIL)


@pytest.fixture(scope="module")
def server(any_postgres: PostgresBinaries, state_directory: Path) -> Iterator[tuple[str, str]]:
    """The superuser's and the migrator's address of a server of its own, with tables of many kinds."""
    root = state_directory / f"lint-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    node = postgres.Server(root / "data", free_port(), root / "postgres.log")
    child = postgres.start_primary(node, any_postgres, server_account(), POSTGRES_SETTINGS, secrets)
    try:
        postgres.prepare(node, secrets, {})
        migrator = node.conninfo(postgres.MIGRATOR_ROLE, secrets.migrator)
        with psycopg.connect(migrator, autocommit=True) as connection:
            connection.execute("CREATE TABLE small AS SELECT n::int AS n, 'x' AS t FROM generate_series(1, 10) AS n")
            connection.execute(
                "CREATE TABLE large AS SELECT n::int AS n, repeat('x', 250) AS t"
                f" FROM generate_series(1, {LARGE_ROWS}) AS n"
            )
            connection.execute("CREATE INDEX large_n_idx ON large (n)")
            connection.execute("CREATE TABLE parted (n int) PARTITION BY RANGE (n)")
            connection.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100)")
            connection.execute("INSERT INTO parted SELECT n FROM generate_series(1, 50) AS n")
            connection.execute('CREATE TABLE "Mixed Case" (n int CHECK (n IS NOT NULL))')
            connection.execute("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'")
            connection.execute("ANALYZE")
        superuser = make_conninfo(node.conninfo(postgres.SUPERUSER, secrets.superuser), dbname=postgres.DATABASE)
        yield superuser, migrator
    finally:
        child.stop()


Judge = Callable[..., list[Finding]]


def facts_for(dsn: str, sql: str, sample_s: float = 0) -> ServerFacts:
    return tables.read(dsn, *lint.names(lint.scripts(Sources((("a.sql", sql),)))), sample_s=sample_s)


def judged(dsn: str, sql: str, sample_s: float = 0) -> list[Finding]:
    sources = Sources((("a.sql", sql),))
    settings = lint.Settings(squawk.find())
    return list(lint.judge(lint.scripts(sources), sources, settings, facts_for(dsn, sql, sample_s)).findings)


@pytest.fixture
def judge(server: tuple[str, str]) -> Judge:
    def run(sql: str, sample_s: float = 0) -> list[Finding]:
        return judged(server[0], sql, sample_s)

    return run


@pytest.mark.parametrize(
    ("sql", "on_large"),
    [
        ("ALTER TABLE {} ALTER n TYPE bigint", Outcome.FAIL),
        ("ALTER TABLE {} ALTER n SET NOT NULL", Outcome.WARN),
        ("CREATE INDEX i ON {} (t)", Outcome.WARN),
        ("ALTER TABLE {} ADD CONSTRAINT c CHECK (n > 0)", Outcome.WARN),
        ("UPDATE {} SET n = n", Outcome.FAIL),
        ("VACUUM FULL {}", Outcome.FAIL),
    ],
)
def test_ten_rows_are_not_shouted_about_and_many_are(judge: Judge, sql: str, on_large: Outcome) -> None:
    small = judge(sql.format("small"))
    assert [finding.outcome for finding in small] == [Outcome.OK]
    assert "small: about 10 rows" in small[0].reason
    (large,) = judge(sql.format("large"))
    assert large.outcome is on_large
    assert f"about {LARGE_ROWS:,} rows" in large.facts
    assert "MiB heap" in large.facts
    assert "no replica" in large.facts
    assert "at an assumed" in large.estimate


def test_what_breaks_code_is_as_bad_on_ten_rows(judge: Judge) -> None:
    (found,) = judge("ALTER TABLE small DROP COLUMN n")
    assert found.outcome is Outcome.FAIL
    assert found.lock == "ACCESS EXCLUSIVE"


def test_facts_are_read_without_a_count(server: tuple[str, str]) -> None:
    sql = "ALTER TABLE large ADD a int; DROP INDEX large_n_idx; ALTER TABLE parted ADD a int; TRUNCATE nowhere"
    found = facts_for(server[0], sql + '; TRUNCATE "Mixed Case"').tables
    large = found["large"]
    assert large.rows == LARGE_ROWS
    assert large.heap_bytes > 50 * 1024 * 1024
    assert large.index_bytes > 4 * 1024 * 1024
    assert found["large_n_idx"].table == "large"
    assert found["parted"].is_partitioned
    assert (found["parted"].rows, found["parted"].heap_bytes) == (50, 8192)
    assert not found["nowhere"].exists
    assert found['"Mixed Case"'].not_null_columns == {"n"}


def test_missing_table_leaves_the_text_to_judge(judge: Judge) -> None:
    (found,) = judge("ALTER TABLE nowhere ALTER n SET NOT NULL")
    assert (found.outcome, found.facts) == (Outcome.FAIL, "nowhere: not on this server")


def test_table_of_an_earlier_script_that_is_not_there_yet_is_nobodys(server: tuple[str, str]) -> None:
    sources = Sources((("1.sql", "CREATE TABLE soon (n bigint)"), ("2.sql", "CREATE INDEX i ON soon (n)")))
    scripts = lint.scripts(sources)
    facts = tables.read(server[0], *lint.names(scripts), sample_s=0)
    (found,) = lint.judge(scripts, sources, lint.Settings(squawk.find()), facts).findings
    assert found.outcome is Outcome.OK


def test_validated_check_makes_set_not_null_harmless(server: tuple[str, str], judge: Judge) -> None:
    sql = "ALTER TABLE large ALTER n SET NOT NULL"
    with psycopg.connect(server[1], autocommit=True) as connection:
        connection.execute("ALTER TABLE large ADD CONSTRAINT p CHECK (n IS NOT NULL) NOT VALID")
        try:
            assert [finding.outcome for finding in judge(sql)] == [Outcome.WARN]
            connection.execute("ALTER TABLE large VALIDATE CONSTRAINT p")
            (found,) = judge(sql)
            assert found.outcome is Outcome.OK
            assert "nothing is read" in found.reason
        finally:
            connection.execute("ALTER TABLE large DROP CONSTRAINT p")


def test_concurrent_build_on_a_partitioned_table_is_what_postgresql_refuses(
    server: tuple[str, str], judge: Judge
) -> None:
    sql = "CREATE INDEX CONCURRENTLY i ON {} (n)"
    (found,) = judge(sql.format("parted"))
    assert (found.rule, found.outcome) == ("concurrent-build-on-partitioned", Outcome.FAIL)
    with psycopg.connect(server[1], autocommit=True) as connection, pytest.raises(psycopg.errors.FeatureNotSupported):
        connection.execute(sql.format("parted"))
    assert judge(sql.format("parted_1")) == []


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("f(a int) RETURNS int", ""),
        ("f(a integer, b text) RETURNS int", "makes a second one"),
        ("f(b int4) RETURNS bigint", "replacing it fails"),
        ("public.g(a int) RETURNS int", ""),
    ],
)
def test_function_is_compared_with_the_one_on_the_server(judge: Judge, signature: str, words: str) -> None:
    sql = f"CREATE OR REPLACE FUNCTION {signature} LANGUAGE sql STABLE AS 'SELECT 1'"
    found = [finding for finding in judge(sql) if finding.rule == "function-signature-changed"]
    assert [finding.outcome for finding in found] == ([Outcome.FAIL] if words else [])
    assert all(words in finding.message for finding in found)


def test_holder_of_a_lock_is_named_and_gone_when_it_ends(server: tuple[str, str], judge: Judge) -> None:
    sql = "ALTER TABLE small ADD a bigint"
    assert judge(sql) == []
    with psycopg.connect(server[1], application_name="nightly report") as holder:
        holder.execute("SELECT n FROM small").fetchall()
        assert judge(sql) == []  # younger than a second
        time.sleep(1.1)
        (found,) = judge(sql)
        assert (found.rule, found.outcome) == ("lock-behind-transaction", Outcome.FAIL)
        assert f"pid {holder.info.backend_pid} of {postgres.MIGRATOR_ROLE} (nightly report)" in found.message
        assert "SELECT n FROM small" in found.message
        # A reader does not stop an index build's lock.
        assert [each.rule for each in judge("CREATE INDEX i ON small (n)")] == ["require-concurrent-index-creation"]
        holder.rollback()
        assert judge(sql) == []


def test_writer_of_the_table_that_a_foreign_key_leads_to_is_named(server: tuple[str, str], judge: Judge) -> None:
    sql = "ALTER TABLE large ADD CONSTRAINT c FOREIGN KEY (n) REFERENCES small (n) NOT VALID"
    with psycopg.connect(server[1]) as writer:
        writer.execute("UPDATE small SET t = t")
        time.sleep(1.1)
        (found,) = judge(sql)
        assert (found.rule, found.outcome) == ("lock-behind-transaction", Outcome.FAIL)
        assert "on small waits for" in found.message
        writer.rollback()
    assert judge(sql) == []


def test_facts_are_read_while_a_table_is_locked(server: tuple[str, str], judge: Judge) -> None:
    with psycopg.connect(server[1]) as holder:
        holder.execute("LOCK TABLE large IN ACCESS EXCLUSIVE MODE")
        time.sleep(1.1)
        found = {finding.rule: finding for finding in judge("ALTER TABLE large ALTER n TYPE bigint")}
    assert f"about {LARGE_ROWS:,} rows" in found["changing-column-type"].facts
    assert "LOCK TABLE large" in found["lock-behind-transaction"].message


def test_role_that_sees_no_sessions_has_its_rules_skipped(server: tuple[str, str]) -> None:
    sources = Sources((("a.sql", "ALTER TABLE small ADD a bigint"),))
    scripts = lint.scripts(sources)
    with psycopg.connect(server[0], autocommit=True) as superuser:
        superuser.execute(f"REVOKE pg_read_all_stats FROM {postgres.OWNER_ROLE}")
        try:
            facts = tables.read(server[1], *lint.names(scripts), sample_s=0)
        finally:
            superuser.execute(f"GRANT pg_read_all_stats TO {postgres.OWNER_ROLE}")
    outcomes = {rule.rule: rule for rule in lint.judge(scripts, sources, lint.Settings(None), facts).rules}
    assert outcomes["lock-behind-transaction"].reason == lint.NO_SESSIONS
    assert outcomes["concurrent-build-on-partitioned"].outcome is Outcome.OK


def test_old_transaction_is_told_before_a_concurrent_build(
    server: tuple[str, str], judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuning.migrations.rules import concurrent_build_waits

    sql = "CREATE INDEX CONCURRENTLY i ON small (n)"
    with psycopg.connect(server[1], application_name="forgotten") as old:
        old.execute("SELECT 1")
        assert judge(sql) == []
        monkeypatch.setattr(concurrent_build_waits, "OLD_S", 0.0)
        (found,) = judge(sql)
    assert (found.rule, found.outcome) == ("concurrent-build-waits", Outcome.WARN)
    assert "(forgotten)" in found.message
    assert judge(sql) == []


def test_writes_are_counted_and_make_a_short_lock_a_failure(server: tuple[str, str], judge: Judge) -> None:
    """A check of 60 MB is a third of a second: harmful only where writes pile up meanwhile."""
    sql = "ALTER TABLE large ADD CONSTRAINT c CHECK (n > 0)"
    assert [finding.outcome for finding in judge(sql)] == [Outcome.WARN]
    ended = threading.Event()

    def write() -> None:
        with psycopg.connect(server[1], autocommit=True) as connection:
            while not ended.is_set():
                connection.execute("UPDATE large SET n = n WHERE n = 7")
                connection.execute("SELECT pg_stat_force_next_flush()")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        (found,) = judge(sql, sample_s=1.5)
    finally:
        ended.set()
        writer.join()
    assert found.outcome is Outcome.FAIL, found
    assert " 0.0 writes/s over" not in found.facts


def test_replica_that_is_behind_is_told_until_it_has_caught_up(stack: Stack, direct: psycopg.Connection) -> None:
    dsn = make_conninfo(stack.superuser, dbname=postgres.DATABASE)
    sql = "ALTER TABLE lint_large ALTER n TYPE bigint"
    direct.execute("CREATE TABLE lint_large AS SELECT n::int, repeat('x', 250) FROM generate_series(1, 60000) AS n")
    replica = make_conninfo(dsn, **_replica_place(stack))
    try:
        with psycopg.connect(replica, autocommit=True) as standby, psycopg.connect(dsn, autocommit=True) as primary:
            _until(lambda: "replica-lag" not in {each.rule for each in judged(dsn, sql)})
            standby.execute("SELECT pg_wal_replay_pause()")
            try:
                primary.execute(
                    "SELECT count(pg_logical_emit_message(true, 'lag', repeat('x', 1048576)))"
                    " FROM generate_series(1, 70)"
                )
                found = {each.rule: each for each in judged(dsn, sql)}
                assert found["replica-lag"].outcome is Outcome.WARN
                assert "MiB behind" in found["changing-column-type"].facts
            finally:
                standby.execute("SELECT pg_wal_replay_resume()")
            _until(lambda: "replica-lag" not in {each.rule for each in judged(dsn, sql)})
    finally:
        direct.execute("DROP TABLE lint_large")


def _replica_place(stack: Stack) -> dict[str, str]:
    place = psycopg.conninfo.conninfo_to_dict(next(part.address for part in stack.parts if part.name == "replica"))
    return {"host": str(place["host"]), "port": str(place["port"])}


def _until(is_true: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
