"""Index operations: what they accept, what they refuse, and what they leave."""

import logging
import threading
import time

import psycopg
import pytest
from django.db import IntegrityError
from psycopg.conninfo import make_conninfo

from service.db import preflight
from service.db.errors import DefinitionDiffers, LongTransaction, NotListed, WronglyUsed
from service.db.operations import CreateIndexFromFile, DropIndexConcurrently
from tests.integration.operations.conftest import Database
from tests.integration.operations.project import Project
from tuning.stack.stack import Stack

PATH = "indexes/item_price_idx.sql"
TEXT = "-- Why.\nCREATE INDEX CONCURRENTLY item_price_idx ON public.item (price) WHERE name LIKE 'a%';\n"
VALID = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('item_price_idx') AND indisvalid"
OID = "SELECT 'item_price_idx'::regclass::oid"


@pytest.fixture
def build(project: Project) -> CreateIndexFromFile:
    return CreateIndexFromFile(project.write(PATH, TEXT))


def make_invalid(project: Project, columns: str = "(price) WHERE name LIKE 'a%'") -> None:
    """Leave what a concurrent build leaves that was ended: an invalid index."""
    with project.session() as connection:
        project.execute(f"CREATE INDEX item_price_idx ON item {columns}")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'item_price_idx'::regclass")


def test_build_is_verified_and_reversed(project: Project, build: CreateIndexFromFile) -> None:
    project.forwards(build)
    assert project.value(VALID) == 1
    project.backwards(build)
    assert project.value("SELECT to_regclass('item_price_idx')") is None
    project.backwards(build)


def test_build_restores_the_timeouts_of_the_session(project: Project, build: CreateIndexFromFile) -> None:
    with project.connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '3s'")
        cursor.execute("SET statement_timeout = '4s'")
        project.forwards(build)
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ("3s", "4s")


def test_build_accepts_a_valid_index_of_the_same_definition(project: Project, build: CreateIndexFromFile) -> None:
    project.forwards(build)
    before = project.value(OID)
    project.forwards(build)
    assert project.value(OID) == before


def test_build_replaces_an_invalid_remainder(project: Project, build: CreateIndexFromFile) -> None:
    make_invalid(project)
    before = project.value(OID)
    project.forwards(build)
    assert project.value(VALID) == 1
    assert project.value(OID) != before


@pytest.mark.parametrize(
    "other", ["(price)", "(price DESC) WHERE name LIKE 'a%'", "(price) INCLUDE (name) WHERE name LIKE 'a%'"]
)
@pytest.mark.parametrize("valid", [True, False])
def test_build_refuses_another_definition(
    project: Project, build: CreateIndexFromFile, other: str, valid: bool
) -> None:
    if valid:
        project.execute(f"CREATE INDEX item_price_idx ON item {other}")
    else:
        make_invalid(project, other)
    before = project.value(OID)
    with pytest.raises(DefinitionDiffers, match="on the server: CREATE INDEX") as raised:
        project.forwards(build)
    assert "in the file:   CREATE INDEX item_price_idx ON public.item USING btree (price) WHERE" in str(raised.value)
    with pytest.raises(DefinitionDiffers):
        project.backwards(build)
    assert project.value(OID) == before


def test_build_refuses_a_name_on_another_table_or_of_another_kind(project: Project, build: CreateIndexFromFile) -> None:
    project.execute("CREATE TABLE other (price integer, name text)")
    project.execute("CREATE INDEX item_price_idx ON other (price) WHERE name LIKE 'a%'")
    with pytest.raises(DefinitionDiffers, match=r"ON public\.other"):
        project.forwards(build)
    project.execute("DROP TABLE other", "CREATE SEQUENCE item_price_idx")
    with pytest.raises(DefinitionDiffers, match="it is no index"):
        project.forwards(build)


@pytest.mark.parametrize(
    "definition",
    [
        'USING btree (lower(name) COLLATE "C" text_pattern_ops DESC NULLS LAST, price) WHERE item.price > 3',
        "(price) INCLUDE (name) WITH (fillfactor = 70)",
        "USING gin (to_tsvector('simple', name))",
        "USING hash (name)",
        "(half(price), (price % 10))",
        "USING brin (id) WITH (pages_per_range = 16)",
    ],
)
def test_definitions_of_each_kind_are_recognised(project: Project, definition: str) -> None:
    project.execute("CREATE FUNCTION half(p integer) RETURNS integer IMMUTABLE LANGUAGE sql RETURN p / 2")
    operation = CreateIndexFromFile(
        project.write("indexes/kind_idx.sql", f"CREATE INDEX CONCURRENTLY kind_idx ON item {definition}")
    )
    project.forwards(operation)
    project.forwards(operation)
    assert project.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'kind_idx'::regclass") is True
    project.backwards(operation)


def test_failed_build_leaves_nothing(project: Project) -> None:
    project.execute("INSERT INTO item (name, price) VALUES ('twice', 1)")
    operation = CreateIndexFromFile(
        project.write("indexes/unique_idx.sql", "CREATE UNIQUE INDEX CONCURRENTLY unique_idx ON item (price);")
    )
    with pytest.raises(IntegrityError):
        project.forwards(operation)
    assert project.value("SELECT to_regclass('unique_idx')") is None
    project.execute("DELETE FROM item WHERE name = 'twice'")
    project.forwards(operation)
    assert project.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'unique_idx'::regclass") is True


def test_build_refuses_a_partitioned_table(project: Project) -> None:
    project.execute("CREATE TABLE parted (id bigint) PARTITION BY RANGE (id)")
    operation = CreateIndexFromFile(
        project.write("indexes/parted_idx.sql", "CREATE INDEX CONCURRENTLY parted_idx ON parted (id);")
    )
    with pytest.raises(WronglyUsed, match="ON ONLY the parent and ATTACH"):
        project.forwards(operation)


def test_drop_index_is_reversed_by_a_build(project: Project, build: CreateIndexFromFile) -> None:
    drop = DropIndexConcurrently(PATH)
    project.forwards(build)
    project.forwards(drop)
    assert project.value("SELECT to_regclass('item_price_idx')") is None
    project.forwards(drop)
    project.backwards(drop)
    assert project.value(VALID) == 1


def test_operations_refuse_a_transaction(project: Project, build: CreateIndexFromFile) -> None:
    for operation in (build, DropIndexConcurrently(PATH)):
        with pytest.raises(WronglyUsed, match="atomic = False"):
            project.forwards(operation, atomic=True)
    project.connection.ensure_connection()
    project.connection.set_autocommit(False)
    with pytest.raises(WronglyUsed, match="atomic = False"):
        project.forwards(build)
    project.connection.set_autocommit(True)


def test_operations_refuse_a_pooler(project: Project, build: CreateIndexFromFile, stack: Stack) -> None:
    project.connect(stack.pooled)
    for operation in (build, DropIndexConcurrently(PATH)):
        with pytest.raises(WronglyUsed, match="a pooler stands between"):
            project.forwards(operation)


def test_a_direct_connection_is_no_pooler(project: Project, database: Database) -> None:
    preflight.refuse_pooler(project.connection, "this")
    project.connection.close()
    project.connect(make_conninfo(project.conninfo, host=str(database.socket_directory)))
    preflight.refuse_pooler(project.connection, "this")
    assert project.connection.connection.info.host == str(database.socket_directory)


@pytest.mark.parametrize(
    ("text", "listed", "error"),
    [
        (TEXT + "DROP TABLE item;", True, WronglyUsed),
        (TEXT.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS"), True, WronglyUsed),
        (TEXT.replace("CONCURRENTLY", ""), True, WronglyUsed),
        (TEXT.replace("ON ", "ON ONLY "), True, WronglyUsed),
        (TEXT.replace("item_price_idx", "other"), True, WronglyUsed),
        (TEXT, False, NotListed),
    ],
)
def test_file_that_is_not_one_listed_index_is_refused(
    project: Project, text: str, listed: bool, error: type[Exception]
) -> None:
    with pytest.raises(error):
        project.forwards(CreateIndexFromFile(project.write(PATH, text, listed=listed)))
    assert project.value("SELECT to_regclass('item_price_idx')") is None


def test_file_that_has_changed_since_it_was_listed_is_refused(project: Project) -> None:
    project.write(PATH, TEXT)
    project.write(PATH, TEXT.replace("price", "id"), listed=False)
    with pytest.raises(NotListed, match=r"has changed since .*`hotrow migrations manifest --write"):
        project.forwards(CreateIndexFromFile(PATH))


@pytest.mark.parametrize(
    ("level", "statement"),
    [("REPEATABLE READ", "SELECT 'the blocker'"), ("READ COMMITTED", "SELECT 'the blocker' FROM item")],
)
def test_build_names_the_long_transaction_that_it_would_wait_for(
    project: Project, build: CreateIndexFromFile, monkeypatch: pytest.MonkeyPatch, level: str, statement: str
) -> None:
    monkeypatch.setattr(preflight, "LONG_TRANSACTION_S", 0.3)
    with project.session() as blocker:
        blocker.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        blocker.execute(statement)
        time.sleep(0.4)
        with pytest.raises(LongTransaction) as raised:
            project.forwards(build)
        told = str(raised.value)
        assert f"pid {blocker.info.backend_pid}, user postgres, application shop, idle in transaction" in told
        assert f"query: {statement}" in told
        assert project.value("SELECT to_regclass('item_price_idx')") is None
        blocker.rollback()
        project.forwards(build)
    assert project.value(VALID) == 1


def test_build_does_not_mind_a_long_transaction_that_it_would_not_wait_for(
    project: Project, build: CreateIndexFromFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "LONG_TRANSACTION_S", 0.2)
    with project.session() as idle:
        idle.execute("SELECT count(*) FROM pg_class")
        time.sleep(0.3)
        project.forwards(build)
        project.backwards(build)


def test_build_names_the_prepared_transaction_that_it_would_wait_for(
    project: Project, build: CreateIndexFromFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "LONG_TRANSACTION_S", 0.2)
    project.execute("BEGIN", "INSERT INTO item (price) VALUES (1)", "PREPARE TRANSACTION 'forgotten'")
    time.sleep(0.3)
    try:
        with pytest.raises(LongTransaction, match="prepared transaction forgotten of user"):
            project.forwards(build)
    finally:
        project.execute("ROLLBACK PREPARED 'forgotten'")
    project.forwards(build)


def test_build_tells_its_phases_and_for_whom_it_waits(
    project: Project, build: CreateIndexFromFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service.db")
    with project.session() as writer:
        writer.execute("INSERT INTO item (price) VALUES (1)")
        pid = writer.info.backend_pid
        threading.Timer(1.0, writer.commit).start()
        project.forwards(build)
    assert "index item_price_idx: waiting for writers before build" in caplog.text
    assert f"for pid {pid}, user postgres, application shop" in caplog.text


def test_build_waits_for_a_build_by_hand(project: Project, build: CreateIndexFromFile) -> None:
    by_hand = psycopg.connect(project.conninfo, autocommit=True)
    writer = project.session()
    writer.execute("INSERT INTO item (price) VALUES (1)")
    thread = threading.Thread(target=by_hand.execute, args=(TEXT,))
    thread.start()
    while project.value("SELECT to_regclass('item_price_idx')") is None:
        time.sleep(0.01)
    threading.Timer(0.5, writer.commit).start()
    project.forwards(build)
    thread.join()
    assert project.value(VALID) == 1
    writer.close()
    by_hand.close()


def test_sqlmigrate_prints_what_runs(project: Project, build: CreateIndexFromFile) -> None:
    assert project.forwards(build, collect_sql=True) == [
        "CREATE INDEX CONCURRENTLY item_price_idx ON public.item (price) WHERE name LIKE 'a%';"
    ]
    assert project.backwards(build, collect_sql=True) == ["DROP INDEX CONCURRENTLY public.item_price_idx;"]
