"""Migration operations that apply the files of ``sql/``; any Django project may use them.

A migration names a file and nothing else, so its text lives in one place and a reviewer reads SQL
as SQL.
"""

import re
from pathlib import PurePosixPath
from typing import Any

from django.db import NotSupportedError, router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from service.db import sqlfiles

_INDEX = re.compile(r"CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?P<name>[a-z_][a-z0-9_]*)\s+ON\s+", re.IGNORECASE)


class _FileOperation(Operation):
    """An operation whose only argument is a path below ``sql/``."""

    reduces_to_sql = True
    reversible = True
    verb = "Apply"

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The database object that the file makes: the stem of its name."""
        return PurePosixPath(self.path).stem

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.path], {}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Functions and indexes of ``sql/`` are no part of Django's model state."""

    def describe(self) -> str:
        return f"{self.verb} {self.path}"

    def allowed(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor) -> bool:
        return router.allow_migrate(schema_editor.connection.alias, app_label)


class RunSQLFile(_FileOperation):
    """Create the function of ``sql/functions/<name>_v<N>.sql``; reversed, drop it.

    Each version is a function of its own name, so an old release keeps calling the old one while
    a new release calls the new one.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if self.allowed(app_label, schema_editor):
            # Without parameters psycopg sends the script as it is: a % in it stays a %.
            schema_editor.execute(sqlfiles.read(self.path), params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if self.allowed(app_label, schema_editor):
            schema_editor.execute(f"DROP ROUTINE {schema_editor.quote_name(self.name)}", params=None)


class CreateIndexFromFile(_FileOperation):
    """Build the index of ``sql/indexes/<name>.sql`` without blocking writers; reversed, drop it.

    An invalid remainder of an interrupted build is dropped first, and the build is verified: a
    concurrent build that fails leaves an index that costs writes and serves no read.

    Raises:
        NotSupportedError: The migration is atomic; a concurrent build cannot run in a transaction.
        ValueError: The file holds anything but one CREATE INDEX CONCURRENTLY of its own name.
        RuntimeError: A valid index of that name exists already, or the build ended invalid.
    """

    verb = "Build index"
    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not self.allowed(app_label, schema_editor):
            return
        statement = self._statement()
        self._refuse_transaction(schema_editor)
        if not schema_editor.collect_sql:
            match self._is_valid(schema_editor):
                case True:
                    raise RuntimeError(
                        f"index {self.name} exists already: drop it, or mark this migration as applied with --fake"
                    )
                case False:
                    self._drop(schema_editor)
        schema_editor.execute(statement, params=None)
        if not schema_editor.collect_sql and not self._is_valid(schema_editor):
            raise RuntimeError(f"index {self.name} was built but is not valid: run the migration again")

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if self.allowed(app_label, schema_editor):
            self._refuse_transaction(schema_editor)
            self._drop(schema_editor)

    def _statement(self) -> str:
        found = sqlfiles.statements(sqlfiles.read(self.path))
        match = _INDEX.match(found[0]) if len(found) == 1 else None
        if match is None or match["name"] != self.name:
            raise ValueError(
                f"sql/{self.path} must hold one statement, CREATE [UNIQUE] INDEX CONCURRENTLY {self.name} ON ..."
            )
        return found[0]

    def _refuse_transaction(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.in_atomic_block:
            raise NotSupportedError(f"{self.describe()} cannot run in a transaction: set atomic = False")

    def _drop(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY {schema_editor.quote_name(self.name)}", params=None)

    def _is_valid(self, schema_editor: BaseDatabaseSchemaEditor) -> bool | None:
        """Whether the index can be used; None when there is none of that name."""
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT indisvalid AND indisready FROM pg_catalog.pg_index"
                " WHERE indexrelid = pg_catalog.to_regclass(%s)",
                [schema_editor.quote_name(self.name)],
            )
            row = cursor.fetchone()
        return None if row is None else bool(row[0])
