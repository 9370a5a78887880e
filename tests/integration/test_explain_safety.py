"""Nothing of a statement that is explained outlives it: what is refused, what is rolled back, and what may run."""

import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tuning.explain.errors import Refused
from tuning.explain.execution import Limits, Server
from tuning.stack import postgres
from tuning.stack.stack import Stack

SCHEMA = "explain_safety"
SETUP = f"""
DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
CREATE SCHEMA {SCHEMA};
SET LOCAL search_path = {SCHEMA};
CREATE TABLE t (id serial PRIMARY KEY, n int);
INSERT INTO t (n) SELECT generate_series(1, 100);
CREATE FUNCTION evil() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO t (n) VALUES (1); RETURN 1; END';
CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM setval(''t_id_seq'', 7777); RETURN 1; END';
CREATE FUNCTION calm(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION attr(t) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM setval(''t_id_seq'', 8); RETURN 1; END';
CREATE FUNCTION op(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM setval(''t_id_seq'', 9); RETURN 1; END';
CREATE OPERATOR @#@ (leftarg = int, rightarg = int, function = op);
CREATE VIEW hidden AS SELECT evil() AS x, n FROM t;
"""
WRITES = [
    "INSERT INTO t (n) VALUES (1)",
    "UPDATE t SET n = 0",
    "DELETE FROM t",
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
    "MERGE INTO t USING (VALUES (1)) AS v (id) ON t.id = v.id WHEN MATCHED THEN DELETE",
    "SELECT * FROM t FOR UPDATE",
]
REFUSED = [
    "SELECT 1; DELETE FROM t",
    "SELECT 1; COMMIT; DELETE FROM t",
    "COMMIT",
    "ROLLBACK",
    "SELECT 'a\\'; DELETE FROM t; --'",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "COPY t TO STDOUT",
    "COPY t TO PROGRAM 'true'",
    "CALL nothing()",
    "DROP TABLE t",
    "CREATE TABLE u (n int)",
    "TRUNCATE t",
    "SET search_path = public",
    "EXPLAIN ANALYZE DELETE FROM t",
    "SELECT * INTO u FROM t",
    "SELECT evil()",
    "SELECT sly()",
    "SELECT * FROM hidden",
    "SELECT t.attr FROM t",
    "SELECT 1 @#@ 2",
    "SELECT setval('t_id_seq', 5)",
    "SELECT pg_catalog.\"setval\"('t_id_seq', 5)",
    "SELECT U&\"\\0073etval\"('t_id_seq', 5)",
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SELECT set_config('search_path', 'public', false)",
    "SELECT lo_create(0)",
    "SELECT pg_advisory_lock(1)",
    "SELECT query_to_xml('DELETE FROM t', true, true, '')",
    "SELECT \0 1",
    "",
    "-- nothing",
    "SELECT '" + "x" * 2_100_000 + "'",
]
READS = [
    "SELECT count(*), random(), now(), clock_timestamp() FROM t",
    "VALUES (1)",
    "TABLE t",
    "(SELECT 1) UNION (SELECT 2);",
    "WITH few AS (SELECT * FROM t) SELECT * FROM few",
    "SELECT calm(n), 'it''s; COMMIT' FROM t -- ; DROP TABLE t",
    'SELECT n AS "update" FROM t WHERE n IN (' + ", ".join(map(str, range(150_000))) + ")",
]


@pytest.fixture(scope="module")
def superuser(stack: Stack) -> Iterator[str]:
    """The superuser's address, whom privileges stop from nothing."""
    conninfo = make_conninfo(stack.superuser, dbname=postgres.DATABASE, options=f"-c search_path={SCHEMA}")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(SETUP)
        yield conninfo
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


@pytest.fixture
def untouched(superuser: str) -> Iterator[None]:
    """The table and, unless writes were allowed, its sequence are afterwards as they were before."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        state = "SELECT count(*), sum(n), (SELECT last_value FROM t_id_seq), to_regclass('u') FROM t"
        before = connection.execute(state).fetchone()
        yield
        assert connection.execute(state).fetchone() == before
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1"
        assert connection.execute(locks).fetchone() == (0,)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40].replace("\0", "NUL"))
def test_what_could_outlive_its_transaction_is_refused(superuser: str, untouched: None, text: str) -> None:
    for allows_writes in (False, True):
        with Server(superuser, Limits(), allows_writes=allows_writes) as server, pytest.raises(Refused):
            server.explain(text)


@pytest.mark.parametrize("text", READS, ids=lambda text: text[:40])
def test_what_reads_runs(superuser: str, untouched: None, text: str) -> None:
    with Server(superuser, Limits(), allows_writes=False) as server:
        run = server.explain(text)
    assert run.plan.was_executed
    assert run.first is not None


@pytest.mark.parametrize("text", WRITES, ids=lambda text: text[:40])
def test_writes_run_where_they_are_allowed_and_are_rolled_back(superuser: str, text: str) -> None:
    with psycopg.connect(superuser, autocommit=True) as connection:
        before = connection.execute("SELECT array_agg((id, n) ORDER BY id) FROM t").fetchone()
        with (
            Server(superuser, Limits(), allows_writes=False) as server,
            pytest.raises(Refused, match="--execute-writes"),
        ):
            server.explain(text)
        with Server(superuser, Limits(), allows_writes=True) as server:
            assert server.explain(text).plan.was_executed
            assert not server.plan(text).plan.was_executed
        assert connection.execute("SELECT array_agg((id, n) ORDER BY id) FROM t").fetchone() == before
        # The twin: without the rollback it would have been seen.
        with connection.transaction(force_rollback=True):
            connection.execute(text)
            after = connection.execute("SELECT array_agg((id, n) ORDER BY id) FROM t").fetchone()
            assert (after != before) != text.startswith("SELECT")


def test_second_statement_cannot_run_even_past_our_lexer(superuser: str, untouched: None) -> None:
    """The protocol itself carries one statement."""
    with (
        psycopg.connect(superuser, autocommit=True) as connection,
        connection.cursor(binary=True) as cursor,
        pytest.raises(psycopg.errors.SyntaxError, match="multiple commands"),
    ):
        cursor.execute("SELECT 1; DELETE FROM t")


def test_limits_end_what_takes_long_or_waits(superuser: str, untouched: None) -> None:
    began = time.monotonic()
    with Server(superuser, Limits(0.3, 0.2), allows_writes=True) as server:
        with pytest.raises(Refused, match="--statement-timeout"):
            server.explain("SELECT pg_sleep(30)")
        with psycopg.connect(superuser) as holder:
            holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Refused, match="--lock-timeout"):
                server.explain("SELECT * FROM t")
        assert server.explain("SELECT * FROM t").plan.was_executed
    assert time.monotonic() - began < 15


def test_nothing_is_left_on_a_server_behind_pgbouncer(stack: Stack) -> None:
    with Server(stack.pooled, Limits(5, 1), allows_writes=False) as server:
        assert server.explain("SELECT count(*) FROM pg_class").plan.was_executed
        with pytest.raises(Refused):
            server.explain("SELECT set_config('statement_timeout', '1', false)")
    with psycopg.connect(stack.pooled, autocommit=True, prepare_threshold=None) as connection:
        rows = [connection.execute("SHOW statement_timeout").fetchone() for _ in range(5)]
        assert ("5s",) not in rows
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)


def test_values_are_quoted_whatever_they_hold(superuser: str, untouched: None) -> None:
    hostile = "x'; DELETE FROM t; --"
    with Server(superuser, Limits(), allows_writes=False) as server:
        text = server.composed("SELECT * FROM t WHERE n::text = %s AND 5 %% 2 = %s", [hostile, 1])
        assert server.explain(text).plan.was_executed
        assert sql.Literal(hostile).as_string(None) in text


def test_generic_plan_is_of_any_value_and_of_one_statement(superuser: str, untouched: None) -> None:
    with Server(superuser, Limits(), allows_writes=False) as server:
        run = server.plan("SELECT * FROM t WHERE id = $1", is_generic=True)
        assert "$1" in run.plan.root.conditions
        with pytest.raises(psycopg.errors.SyntaxError, match="multiple commands"), server._transaction(is_write=False):
            server._parse("SELECT 1; DELETE FROM t")
