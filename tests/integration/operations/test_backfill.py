"""Backfills: batches, resumption, throttling, and what is refused."""

import threading
import time

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from service.db import replicas
from service.db.errors import WronglyUsed
from service.db.operations import Backfill
from tests.integration.operations.project import Project
from tuning.stack.stack import Stack

# What is shown here hangs on no version of PostgreSQL.
pytestmark = pytest.mark.parametrize("any_postgres", ["embedded"], indirect=True)

PATH = "backfills/prices.sql"
TEXT = "-- Why.\nUPDATE item SET price = price + 1000 WHERE id %% 1 = 0 AND id BETWEEN %(first)s AND %(last)s;\n"
SUM = 50 * 51 // 2


@pytest.fixture
def backfill(project: Project) -> Backfill:
    return Backfill(project.write(PATH, TEXT), "public.item", batch_rows=7, pause_s=0)


def test_each_row_is_changed_once_in_short_transactions(project: Project, backfill: Backfill) -> None:
    for _ in range(2):
        project.forwards(backfill)
        assert project.value("SELECT sum(price) FROM item") == SUM + 50 * 1000
    assert project.value("SELECT count(DISTINCT xmin::text) FROM item") == 8
    assert project.execute("SELECT last_key, row_count, finished_at IS NOT NULL FROM hotrow_backfill") == [
        ("50", 50, True)
    ]


def test_reversed_it_forgets_and_leaves_the_values(project: Project, backfill: Backfill) -> None:
    project.forwards(backfill)
    project.backwards(backfill)
    project.backwards(backfill)
    assert project.value("SELECT to_regclass('hotrow_backfill')") is None
    assert project.value("SELECT sum(price) FROM item") == SUM + 50 * 1000
    project.forwards(backfill)
    assert project.value("SELECT sum(price) FROM item") == SUM + 2 * 50 * 1000


def test_it_goes_on_behind_the_last_batch_when_it_was_killed(project: Project) -> None:
    project.write(PATH, TEXT)
    operation = f"Backfill({PATH!r}, 'item', batch_rows=5, pause_s=0.05)"
    with project.start(operation) as process:
        while not project.value("SELECT count(*) FROM item WHERE price > 1000"):
            time.sleep(0.02)
        process.kill()
    changed = project.value("SELECT count(*) FROM item WHERE price > 1000")
    assert 0 < int(str(changed)) < 50
    project.forwards(Backfill(PATH, "item", batch_rows=20))
    assert project.value("SELECT sum(price) FROM item") == SUM + 50 * 1000


def test_a_batch_that_fails_keeps_those_before_it(project: Project, backfill: Backfill) -> None:
    project.execute("ALTER TABLE item ADD CHECK (price <> 1020)")
    with pytest.raises(Exception, match="violates check"):
        project.forwards(backfill)
    assert project.value("SELECT count(*) FROM item WHERE price > 1000") == 14
    project.execute("ALTER TABLE item DROP CONSTRAINT item_price_check")
    project.forwards(backfill)
    assert project.value("SELECT sum(price) FROM item") == SUM + 50 * 1000


def test_keys_of_other_types_and_with_gaps_are_followed(project: Project) -> None:
    project.execute(
        "CREATE TABLE doc (id uuid PRIMARY KEY, done boolean)",
        "INSERT INTO doc SELECT gen_random_uuid() FROM generate_series(1, 100)",
    )
    text = "UPDATE doc SET done = (done IS NULL) WHERE id BETWEEN %(first)s AND %(last)s"
    project.forwards(Backfill(project.write("backfills/docs.sql", text), "doc", batch_rows=9))
    assert project.execute("SELECT count(*) FROM doc WHERE done") == [(100,)]
    project.execute("DELETE FROM item WHERE id BETWEEN 5 AND 40", "DELETE FROM item WHERE id < 3")
    project.forwards(Backfill(project.write(PATH, TEXT), "item", batch_rows=3))
    assert project.value("SELECT count(*) FROM item WHERE price > 1000") == project.value("SELECT count(*) FROM item")


def test_an_empty_table_is_finished_at_once(project: Project, backfill: Backfill) -> None:
    project.execute("DELETE FROM item")
    project.forwards(backfill)
    assert project.value("SELECT finished_at IS NOT NULL FROM hotrow_backfill") is True


def test_a_file_that_changed_between_two_runs_is_refused(project: Project, backfill: Backfill) -> None:
    project.execute("ALTER TABLE item ADD CHECK (price <> 1020)")
    with pytest.raises(Exception, match="violates check"):
        project.forwards(backfill)
    project.execute("UPDATE hotrow_backfill SET digest = 'of another text'")
    with pytest.raises(WronglyUsed, match="has changed since its first batches ran"):
        project.forwards(backfill)


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE item SET price = 1",
        "UPDATE item SET price = 1 WHERE id > %(first)s",
        "DELETE FROM item WHERE id BETWEEN %(first)s AND %(last)s",
        TEXT + TEXT,
    ],
)
def test_file_that_is_not_one_update_of_a_range_is_refused(project: Project, text: str) -> None:
    with pytest.raises(WronglyUsed, match="must hold one UPDATE"):
        project.forwards(Backfill(project.write(PATH, text), "item"))


def test_wrong_key_transaction_and_pooler_are_refused(project: Project, backfill: Backfill, stack: Stack) -> None:
    with pytest.raises(WronglyUsed, match="NOT NULL with a unique index"):
        project.forwards(Backfill(PATH, "item", "price"))
    with pytest.raises(WronglyUsed, match="is not the name of a column"):
        project.forwards(Backfill(PATH, "item", "id; --"))
    with pytest.raises(WronglyUsed, match="atomic = False"):
        project.forwards(backfill, atomic=True)
    project.connect(stack.pooled)
    with pytest.raises(WronglyUsed, match="a pooler stands between"):
        project.forwards(backfill)


def test_it_waits_for_a_replica_that_lags(
    project: Project, stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The replica of the stack stops to replay; the control is the same look before and after."""
    project.connect(stack.direct)
    monkeypatch.setattr(replicas, "MAX_LAG_BYTES", 64 * 1024)
    monkeypatch.setattr(replicas, "LAG_INTERVAL_S", 0.05)
    caplog.set_level("INFO", "service.db")
    with psycopg.connect(stack.superuser, autocommit=True) as primary:
        port = conninfo_to_dict(stack.conninfo("readonly", "replica"))["port"]
        with psycopg.connect(stack.superuser, port=port, autocommit=True) as replica:
            replicas.wait(project.connection, "before")
            replica.execute("SELECT pg_wal_replay_pause()")
            try:
                primary.execute("CREATE TABLE ballast AS SELECT n, repeat('x', 100) FROM generate_series(1, 5000) AS n")
                found = replicas.lagging(project.connection)
                assert found is not None
                assert found[0] == "replica"
                resumed = threading.Timer(0.4, replica.execute, ["SELECT pg_wal_replay_resume()"])
                resumed.start()
                started = time.monotonic()
                replicas.wait(project.connection, "the backfill")
                assert time.monotonic() - started > 0.3
                resumed.join()
            finally:
                replica.execute("SELECT pg_wal_replay_resume()")
                primary.execute("DROP TABLE IF EXISTS ballast")
    assert "the backfill waits for replica replica, which is" in caplog.text


def test_sqlmigrate_prints_what_runs(project: Project, backfill: Backfill) -> None:
    (told,) = project.forwards(backfill, collect_sql=True)
    assert told.startswith("-- again and again, for 7 rows at a time:\nUPDATE item")
    assert project.backwards(backfill, collect_sql=True) == []
