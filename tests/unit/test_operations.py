"""The files of sql/ and the operations that read them: what is refused before any database is asked."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.migrations.writer import MigrationWriter, OperationWriter

from service.db import sqlfiles
from service.db.operations import CreateIndexFromFile, RunSQLFile

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
def test_index_file_is_accepted(path: Path) -> None:
    assert CreateIndexFromFile(f"indexes/{path.name}")._statement().startswith("CREATE")


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
    monkeypatch.setattr(sqlfiles, "read", lambda path: text)
    with pytest.raises(ValueError, match="must hold one statement"):
        CreateIndexFromFile("indexes/idx.sql")._statement()


def test_index_operation_refuses_a_transaction() -> None:
    from django.db import NotSupportedError

    editor: Any = SimpleNamespace(connection=SimpleNamespace(in_atomic_block=True))
    with pytest.raises(NotSupportedError, match="atomic = False"):
        CreateIndexFromFile("indexes/stock_reservation_due_idx.sql")._refuse_transaction(editor)


def test_read_names_the_files_that_there_are() -> None:
    with pytest.raises(FileNotFoundError, match=r"reserve_stock_v1\.sql"):
        sqlfiles.read("functions/reserve_stock_v999.sql")


def test_read_stays_below_sql() -> None:
    with pytest.raises(ValueError, match="not below"):
        sqlfiles.read("../pyproject.toml")


@pytest.mark.parametrize("operation", [RunSQLFile("functions/a_v1.sql"), CreateIndexFromFile("indexes/a.sql")])
def test_operation_is_written_as_a_path(operation: Any) -> None:
    text, imports = OperationWriter(operation, indentation=0).serialize()
    assert MigrationWriter.serialize is not None
    assert operation.path in text
    assert imports == {"import service.db.operations"}


def test_every_function_for_callers_is_documented() -> None:
    text = Path("docs/sql-api.md").read_text()
    public = [
        path.stem for path in FUNCTIONS if not path.stem.startswith("stock_") or path.stem == "stock_availability_v1"
    ]
    assert len(public) > 10
    assert [name for name in public if f"`{name}(" not in text and f"{name}()" not in text] == []
