"""The command on a primary with a replica: whose use counts, what is refused, and how a run ends."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.unit.command import hotrow
from tuning.advisors.findings import Finding
from tuning.advisors.judge import judge
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe import catalog
from tuning.observe.snapshot import Snapshot
from tuning.stack import postgres
from tuning.stack.stack import Stack

DEADLINE_S = 60
INDEX = "lab_advise.t_v"
# On the replica, where DO may not write but may read.
USE = """DO $$ BEGIN SET LOCAL enable_seqscan = off;
    FOR i IN 1..80 LOOP PERFORM * FROM lab_advise.t WHERE v = i LIMIT 1; END LOOP; END $$"""


@pytest.fixture
def primary(stack: Stack) -> Iterator[str]:
    """The superuser's address, with a table whose index nobody uses, and a duplicate of it."""
    dsn = make_conninfo(stack.superuser, dbname=postgres.DATABASE)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS lab_advise CASCADE")
        connection.execute("CREATE SCHEMA lab_advise")
        connection.execute("CREATE TABLE lab_advise.t AS SELECT n AS id, n AS v FROM generate_series(1, 20000) AS n")
        connection.execute("CREATE INDEX t_v ON lab_advise.t (v)")
        yield dsn
        connection.execute("DROP SCHEMA lab_advise CASCADE")


@pytest.fixture
def replica(stack: Stack, primary: str) -> str:
    """The address of the replica, once it has the table."""
    port = psycopg.conninfo.conninfo_to_dict(stack.conninfo("app", "replica"))["port"]
    dsn = make_conninfo(primary, port=port)
    deadline = time.monotonic() + DEADLINE_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute("SELECT to_regclass(%s)", [INDEX]).fetchone() == (None,):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    return dsn


def old(snapshot: Snapshot) -> Snapshot:
    """The same with a month of statistics on each server."""
    assert snapshot.database is not None
    age = 30 * 86_400.0
    return replace(
        snapshot,
        database=replace(snapshot.database, statistics_age_s=age),
        replicas_read=tuple(replace(each, statistics_age_s=age) for each in snapshot.replicas_read),
    )


def unused(snapshot: Snapshot) -> list[Finding]:
    return [
        each for each in judge(Subject(old(snapshot))).findings if (each.rule, each.about) == ("unused-index", INDEX)
    ]


def test_index_that_a_replica_uses_is_not_called_unused(primary: str, replica: str) -> None:
    (doubted,) = unused(catalog.read(primary))
    assert doubted.outcome is Outcome.SKIP
    assert "--replica" in doubted.message
    (claimed,) = unused(catalog.read(primary, [replica]))
    assert claimed.outcome is Outcome.WARN
    assert claimed.sql == (f"DROP INDEX CONCURRENTLY {INDEX}",)
    with psycopg.connect(replica, autocommit=True) as connection:
        connection.execute(USE)
        connection.execute("SELECT pg_stat_force_next_flush()")
    deadline = time.monotonic() + DEADLINE_S
    while unused(catalog.read(primary, [replica])):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_replica_that_is_none_is_refused(primary: str, replica: str) -> None:
    done = hotrow("advise", "--dsn", primary, "--replica", primary)
    assert done.returncode == 2
    assert "--replica 1 is no replica of the server of --dsn" in done.stderr
    done = hotrow("advise", "--dsn", primary, "--replica", make_conninfo(replica, dbname="postgres"))
    assert done.returncode == 2
    assert "in the database postgres" in done.stderr


def test_judging_the_replica_itself_claims_nothing_of_disuse(replica: str) -> None:
    (found,) = unused(catalog.read(replica))
    assert found.outcome is Outcome.SKIP
    assert "the primary may use it" in found.message


def test_command_says_the_same_to_people_and_machines_and_ends_by_what_it_found(primary: str, tmp_path: Path) -> None:
    rule = ("--only", "duplicate-index")
    assert hotrow("advise", "--dsn", primary, *rule, "--fail-on", "warn").returncode == 0
    with psycopg.connect(primary, autocommit=True) as connection:
        connection.execute('CREATE INDEX "t V" ON lab_advise.t (v)')
    done = hotrow("advise", "--dsn", primary, *rule)
    assert done.returncode == 1
    document = json.loads(hotrow("advise", "--dsn", primary, *rule, "--json").stdout)
    (found,) = document["findings"]
    assert found["key"] == 'duplicate-index/lab_advise."t V"'
    assert found["message"] in done.stdout
    assert found["sql"] == ['DROP INDEX CONCURRENTLY lab_advise."t V"']
    assert f"    {found['sql'][0]};" in done.stdout
    page = tmp_path / "advice.html"
    text = hotrow("advise", "--dsn", primary, *rule, "--format", "markdown", "--html", str(page)).stdout
    assert f"    - `{found['sql'][0]};`" in text
    assert escape(found["sql"][0]) in page.read_text()
    unwritable = hotrow("advise", "--dsn", primary, *rule, "--html", str(tmp_path / "none" / "advice.html"))
    assert (unwritable.returncode, unwritable.stdout) == (2, "")
    assert {each["rule"]: each["outcome"] for each in document["rules"]}["wraparound"] == "SKIP"
    assert hotrow("advise", "--dsn", primary, *rule, "--fail-on", "never").returncode == 0
    assert hotrow("advise", "--dsn", primary, *rule, "--exclude", "duplicate-index").returncode == 0
    file = tmp_path / "ignore.toml"
    file.write_text('[[ignore]]\nkey = "duplicate-index/*"\nreason = "until the release"\nuntil = 2999-01-01\n')
    ignored = hotrow("advise", "--dsn", primary, *rule, "--ignore-file", str(file))
    assert ignored.returncode == 0
    assert "ignored: until the release" in ignored.stdout
    with psycopg.connect(primary, autocommit=True) as connection:
        connection.execute(found["sql"][0])
    assert hotrow("advise", "--dsn", primary, *rule).returncode == 0


def test_what_cannot_be_read_ends_with_one_sentence(primary: str, tmp_path: Path) -> None:
    assert hotrow("advise", "--dsn", "host=127.0.0.1 port=1 connect_timeout=1").returncode == 2
    done = hotrow("advise", "--dsn", primary, "--only", "no-such")
    assert (done.returncode, "there is no rule no-such" in done.stderr) == (2, True)
    broken = tmp_path / "calls.jsonl"
    broken.write_text("not json\n")
    done = hotrow("advise", "--dsn", primary, "--captures", str(broken))
    assert (done.returncode, f"{broken}: there is no captured statement" in done.stderr) == (2, True)
    notes = tmp_path / "notes.txt"
    notes.write_text("not json\n")
    done = hotrow("advise", "--dsn", primary, "--captures", str(notes))
    assert (done.returncode, f"{notes}: there is no captured statement" in done.stderr) == (2, True)
    done = hotrow("advise", "--dsn", primary, "--captures", str(tmp_path / "absent.jsonl"))
    assert (done.returncode, "absent.jsonl" in done.stderr) == (2, True)


def test_captures_name_the_loop_and_what_an_index_would_cost(primary: str, tmp_path: Path) -> None:
    with psycopg.connect(primary, autocommit=True) as connection:
        connection.execute("CREATE TABLE lab_advise.parent AS SELECT n AS id FROM generate_series(1, 2000) AS n")
        connection.execute("ALTER TABLE lab_advise.parent ADD PRIMARY KEY (id)")
        connection.execute(
            "CREATE TABLE lab_advise.child AS SELECT n AS id, n % 2000 + 1 AS parent_id, repeat('x', 250) AS t"
            " FROM generate_series(1, 45000) AS n"
        )
        connection.execute("ALTER TABLE lab_advise.child ADD FOREIGN KEY (parent_id) REFERENCES lab_advise.parent")
        connection.execute("ALTER TABLE lab_advise.child SET (fillfactor = 50)")
        connection.execute("UPDATE lab_advise.child SET t = t WHERE id % 100 = 0")
        connection.execute("SELECT pg_stat_force_next_flush()")
    calls = [
        {
            "v": 1,
            "request_id": "r",
            "route": "orders/",
            "sql": sql,
            "params": [number],
            "duration_ms": 2.0,
            "caller": line,
        }
        for number in range(4)
        for sql, line in (
            ("SELECT * FROM item WHERE id = %s", "shop/views.py:7 list"),
            ('UPDATE "child" SET "parent_id" = %s', "shop/views.py:9 move"),
        )
    ]
    file = tmp_path / "calls.jsonl"
    file.write_text("".join(json.dumps(call) + "\n" for call in calls))
    rules = ("--only", "n-plus-one", "--only", "unindexed-foreign-key", "--captures", str(file))
    done = hotrow("advise", "--dsn", primary, *rules, "--fail-on", "warn")
    assert done.returncode == 1
    assert "orders/: 4.0 calls a request, up to 4, in 1 requests; 8.0 ms of the database" in done.stdout
    assert "shop/views.py:7 list" in done.stdout
    assert "CREATE INDEX CONCURRENTLY ON lab_advise.child" in done.stdout
    assert "up to 100% of lab_advise.child's HOT updates" in done.stdout
    file.write_text(file.read_text().replace("parent_id", "t"))
    assert "costs lab_advise.child no HOT update" in hotrow("advise", "--dsn", primary, *rules).stdout
