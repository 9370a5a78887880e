"""The files of sql/ and the operations that read them: what is refused before any database is asked."""

from pathlib import Path
from typing import Any

import pytest
from django.db.migrations.writer import OperationWriter

from service.db import indexes, locks, manifest, sqlfiles
from service.db.errors import WronglyUsed
from service.db.operations import (
    AddConstraintNotValid,
    Backfill,
    CreateIndexFromFile,
    DropFunction,
    DropIndexConcurrently,
    RunSQLFile,
    SetNotNullSafely,
    ValidateConstraint,
)

FUNCTIONS = sorted(Path("sql/functions").glob("*.sql"))
PROCEDURES = {"reserve_and_commit_v1"}
INDEXES = sorted(Path("sql/indexes").glob("*.sql"))


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.stem)
def test_function_file_holds_its_function(path: Path) -> None:
    text = path.read_text()
    kind = "PROCEDURE" if path.stem in PROCEDURES else "FUNCTION"
    assert f"CREATE {kind} public.{path.stem}(" in text
    assert text.count("CREATE ") == 1
    assert text.startswith(f"-- {path.stem}: ")
    assert f"REVOKE ALL ON {kind} public.{path.stem}(" in text
    # What the planner is to inline, or what commits, may set nothing, so it qualifies every name.
    unset = ("inline it: every name is qualified", "So every name has its schema")
    assert "SET search_path = pg_catalog, public, pg_temp" in text or any(reason in text for reason in unset)


@pytest.mark.parametrize("path", INDEXES, ids=lambda path: path.stem)
def test_index_file_is_accepted(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(sqlfiles, "root", lambda path: sqlfiles.SQL_ROOT)
    assert indexes.read(f"indexes/{path.name}").statement.startswith("CREATE")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX idx ON t (a);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx ON t (a);",
        "CREATE INDEX CONCURRENTLY other ON t (a);",
        "CREATE INDEX CONCURRENTLY idx ON t (a); DROP TABLE t;",
        "",
        "-- nothing",
    ],
)
def test_index_file_with_anything_else_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(manifest, "read", lambda path: text)
    with pytest.raises(WronglyUsed, match="must hold one statement"):
        indexes.read("indexes/idx.sql")


def test_read_names_the_files_that_there_are() -> None:
    with pytest.raises(FileNotFoundError, match=r"reserve_stock_v1\.sql"):
        sqlfiles.read("functions/reserve_stock_v999.sql")


def test_read_stays_below_sql() -> None:
    with pytest.raises(ValueError, match="not below"):
        sqlfiles.read("../pyproject.toml")


@pytest.mark.parametrize(
    ("operation", "written"),
    [
        (RunSQLFile("functions/a_v1.sql"), "path='functions/a_v1.sql'"),
        (DropFunction("functions/a_v1.sql"), "path='functions/a_v1.sql'"),
        (CreateIndexFromFile("indexes/a.sql"), "path='indexes/a.sql'"),
        (DropIndexConcurrently("indexes/a.sql"), "path='indexes/a.sql'"),
        (AddConstraintNotValid("constraints/a.sql"), "path='constraints/a.sql'"),
        (ValidateConstraint("constraints/a.sql"), "path='constraints/a.sql'"),
        (SetNotNullSafely("item", "name"), "table='item', column='name'"),
        (Backfill("backfills/a.sql", "item"), "path='backfills/a.sql', table='item', key='id'"),
        (
            Backfill("backfills/a.sql", "item", "sku", batch_rows=10),
            "path='backfills/a.sql', table='item', key='sku', batch_rows=10",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_operation_is_written_as_a_path(operation: Any, written: str) -> None:
    """What is written names the public module, and reads back as the same operation."""
    text, imports = OperationWriter(operation, indentation=0).serialize()
    assert " ".join(text.split()) == f"service.db.operations.{type(operation).__name__}( {written}, ),"
    assert imports == {"import service.db.operations"}
    _, args, kwargs = operation.deconstruct()
    assert type(operation)(*args, **kwargs).deconstruct() == operation.deconstruct()
    assert operation.describe()
    assert operation.reversible


def test_name_of_the_check_is_never_cut_by_the_server() -> None:
    names = {SetNotNullSafely("a" * 40, "b" * length).check_name for length in (10, 30, 31)}
    assert len(names) == 3
    assert max(map(len, names)) <= 63


def test_pauses_are_jittered_and_bounded() -> None:
    pauses = [locks.pause_s(10) for _ in range(200)]
    assert max(pauses) <= locks.MAX_PAUSE_S
    assert min(pauses) < locks.MAX_PAUSE_S / 4
    assert locks.pause_s(1) <= locks.FIRST_PAUSE_S
    worst_s = locks.TRIES * locks.LOCK_TIMEOUT_MS / 1000 + sum(
        min(locks.MAX_PAUSE_S, locks.FIRST_PAUSE_S * 2**n) for n in range(locks.TRIES - 1)
    )
    assert worst_s < 82


def test_every_function_for_callers_is_documented() -> None:
    text = Path("docs/sql-api.md").read_text()
    public = [
        path.stem for path in FUNCTIONS if not path.stem.startswith("stock_") or path.stem == "stock_availability_v1"
    ]
    assert len(public) > 10
    assert [name for name in public if f"`{name}(" not in text and f"{name}()" not in text] == []
