"""Operations that need a strong lock give up in time, say who held it, leave nothing, and succeed the next time."""

import threading
import time

import psycopg
import pytest
from django.db import migrations
from django.db.migrations.operations.base import Operation

from service.db import locks, preflight, tables
from service.db.errors import LockNotObtained
from service.db.operations import AddConstraintNotValid, Backfill, SetNotNullSafely, WithLockTimeout
from tests.integration.operations.project import Project

# What is shown here hangs on no version of PostgreSQL.
pytestmark = pytest.mark.parametrize("any_postgres", ["embedded"], indirect=True)

BLOCK = "LOCK TABLE item IN ACCESS SHARE MODE"
PATIENCE_S = 4.0  # two waits of 0.7 s, the pause between them and a slow machine


@pytest.fixture(params=["constraint", "foreign key", "not null", "column", "backfill"])
def operation(project: Project, request: pytest.FixtureRequest) -> Operation:
    match request.param:
        case "constraint":
            text = "ALTER TABLE item ADD CONSTRAINT item_price_check CHECK (price > 0) NOT VALID;"
            return AddConstraintNotValid(project.write("constraints/item_price_check.sql", text))
        case "foreign key":
            text = "ALTER TABLE item ADD CONSTRAINT item_fk FOREIGN KEY (price) REFERENCES item (id) NOT VALID;"
            return AddConstraintNotValid(project.write("constraints/item_fk.sql", text))
        case "column":
            add, drop = "ALTER TABLE item ADD COLUMN shelf text", "ALTER TABLE item DROP COLUMN shelf"
            return WithLockTimeout([migrations.RunSQL(add, drop)])
        case "not null":
            return SetNotNullSafely("public.item", "name")
        case _:
            text = "UPDATE item SET price = price + 1 WHERE id BETWEEN %(first)s AND %(last)s;"
            return Backfill(project.write("backfills/prices.sql", text), "item")


SNAPSHOT = """
SELECT (SELECT array_agg(conname ORDER BY 1) FROM pg_constraint WHERE conrelid = 'item'::regclass AND contype <> 'n'),
       (SELECT array_agg(attnotnull ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'item'::regclass),
       (SELECT sum(price) FROM item), (SELECT reltriggers FROM (SELECT count(*) AS reltriggers FROM pg_trigger) AS t)
"""


def test_operation_gives_up_names_the_blocker_and_leaves_nothing(project: Project, operation: Operation) -> None:
    before = project.execute(SNAPSHOT)
    with project.session() as blocker:
        blocker.execute("LOCK TABLE item IN SHARE ROW EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(LockNotObtained) as raised:
            project.forwards(operation)
        assert time.monotonic() - started < PATIENCE_S
        told = str(raised.value)
        assert f"pid {blocker.info.backend_pid}, user postgres, application shop, idle in transaction since" in told
        assert "query: LOCK TABLE item IN SHARE ROW EXCLUSIVE MODE" in told
        blocker.rollback()
    assert project.execute(SNAPSHOT) == before
    project.forwards(operation)
    assert project.execute(SNAPSHOT) != before
    project.backwards(operation)


def test_operation_goes_on_when_the_blocker_ends_between_two_tries(project: Project) -> None:
    with project.session() as blocker:
        blocker.execute(BLOCK)
        threading.Timer(0.9, blocker.commit).start()
        project.forwards(SetNotNullSafely("item", "name"))
    assert project.value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'item'::regclass AND attname = 'name'")


def test_readers_stand_behind_a_try_for_no_longer_than_its_timeout(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control has the timeout lifted: the reader then waits as long as the blocker stays."""
    waits = {}
    for name, timeout_ms in {"short": 400, "none": 0}.items():
        monkeypatch.setattr(locks, "LOCK_TIMEOUT_MS", timeout_ms)
        monkeypatch.setattr(locks, "TRIES", 1)
        with project.session() as blocker, psycopg.connect(project.conninfo, autocommit=True) as reader:
            blocker.execute(BLOCK)
            timer = threading.Timer(1.5, blocker.commit)
            timer.start()

            def read(reader: psycopg.Connection = reader, name: str = name) -> None:
                time.sleep(0.2)
                started = time.monotonic()
                reader.execute("SELECT count(*) FROM item")
                waits[name] = time.monotonic() - started

            thread = threading.Thread(target=read)
            thread.start()
            try:
                project.forwards(SetNotNullSafely("item", "name"))
            except LockNotObtained:
                assert name == "short"
            thread.join()
            timer.join()
    assert waits["short"] < 0.8
    assert waits["none"] > 1.0


def test_what_the_role_may_not_see_is_said(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    grant = "pg_read_all_stats {} hotrow_owner"
    with psycopg.connect(project.superuser, autocommit=True) as superuser, project.session() as blocker:
        blocker.execute(BLOCK)
        superuser.execute(f"REVOKE {grant.format('FROM')}")
        try:
            with pytest.raises(LockNotObtained) as raised:
                project.forwards(SetNotNullSafely("item", "name"))
            preflight.refuse_long_transactions(project.connection, "this", tables.find(project.connection, "item"))
        finally:
            superuser.execute(f"GRANT {grant.format('TO')}")
        assert f"pid {blocker.info.backend_pid}, user postgres, application shop, the rest is hidden" in str(
            raised.value
        )
        assert "transactions is hidden: GRANT pg_read_all_stats" in caplog.text
