"""Make a column NOT NULL without reading the table under a strong lock."""

import hashlib
import re
from typing import Any

from django.db import IntegrityError
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from service.db import locks, tables
from service.db.errors import DefinitionDiffers, NullsLeft, WronglyUsed
from service.db.operations.base import OwnTransactions
from service.db.operations.constraints import validate
from service.db.sessions import turn
from service.db.tables import IDENTIFIER, Table

# NAMEDATALEN - 1: PostgreSQL would cut a longer name.
_MAX_NAME = 63


class SetNotNullSafely(OwnTransactions):
    """Make a column NOT NULL; reversed, allow NULL again.

    A CHECK is added NOT VALID, validated while others write, and then spares SET NOT NULL the scan
    of the table (PostgreSQL 12 and newer); it is dropped with the same statement. Ended anywhere, it
    goes on from what it finds. For the model state, put it beside an ``AlterField`` in
    ``SeparateDatabaseAndState``.

    Args:
        table: Its name as SQL writes it, with its schema where that is not the first of search_path.
        column: Its name as SQL writes it.

    Raises:
        NullsLeft: Rows have no value; nothing was changed.
        LockNotObtained: Others held the table through all tries.
    """

    verb = "Set NOT NULL"

    def __init__(self, table: str, column: str) -> None:
        self.table = table
        self.column = column

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.table, self.column], {}

    def describe(self) -> str:
        return f"{self.verb} {self.table}.{self.column}"

    @property
    def check_name(self) -> str:
        """The name of the CHECK that is there meanwhile; made shorter where PostgreSQL would cut it."""
        name = re.sub(r"[^a-z0-9_]", "_", f"{self.table.rpartition('.')[2]}_{self.column}_not_null".lower())
        if len(name) <= _MAX_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{name[: _MAX_NAME - 9]}_{digest}"

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        add = f"ALTER TABLE {self.table} ADD CONSTRAINT {self.check_name} CHECK ({self.column} IS NOT NULL) NOT VALID"
        set_not_null = f"ALTER TABLE {self.table} ALTER COLUMN {self.column} SET NOT NULL"
        drop = f"ALTER TABLE {self.table} DROP CONSTRAINT {self.check_name}"
        if editor.collect_sql:
            editor.execute(add, params=None)
            validate(editor, self.table, self.check_name)
            locks.execute(editor, [set_not_null, drop], doing=self.describe())
            return
        with turn(editor.connection, self.describe()):
            table = tables.find(editor.connection, self.table)
            is_set = self._is_set(editor, table)
            is_valid = self._is_check_valid(editor, table)
            if is_set:
                if is_valid is not None:
                    locks.execute(editor, [drop], doing=self.describe())
                return
            if is_valid is None:
                locks.execute(editor, [add], doing=self.describe())
            if not is_valid:
                self._validate(editor, drop)
            locks.execute(editor, [set_not_null, drop], doing=self.describe())

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        statements = [f"ALTER TABLE {self.table} ALTER COLUMN {self.column} DROP NOT NULL"]
        if editor.collect_sql:
            locks.execute(editor, statements, doing=self.describe())
            return
        with turn(editor.connection, self.describe()):
            if self._is_check_valid(editor, tables.find(editor.connection, self.table)) is not None:
                statements.append(f"ALTER TABLE {self.table} DROP CONSTRAINT {self.check_name}")
            locks.execute(editor, statements, doing=self.describe())

    def _validate(self, editor: BaseDatabaseSchemaEditor, drop: str) -> None:
        try:
            validate(editor, self.table, self.check_name)
        except IntegrityError as error:
            locks.execute(editor, [drop], doing=self.describe())
            raise NullsLeft(
                f"{self.describe()}: rows have no value, and nothing was changed. Fill them first (Backfill), and make "
                f"sure that no release writes NULL any more"
            ) from error

    def _is_set(self, editor: BaseDatabaseSchemaEditor, table: Table) -> bool:
        if not re.fullmatch(IDENTIFIER, self.column, re.IGNORECASE):
            raise WronglyUsed(f"{self.column!r} is not the name of a column")
        with editor.connection.cursor() as cursor:
            # Since PostgreSQL 18 a NOT NULL can be NOT VALID: contype n, and attnotnull is true nevertheless.
            cursor.execute(
                "SELECT a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.contype = 'n'"
                "   AND c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum] AND NOT c.convalidated)"
                " FROM pg_catalog.pg_attribute AS a"
                " WHERE a.attrelid = %s AND quote_ident(a.attname) = %s AND a.attnum > 0 AND NOT a.attisdropped",
                [table.oid, self.column],
            )
            row = cursor.fetchone()
        if row is None:
            raise WronglyUsed(f"{table.qualified} has no column {self.column}")
        return bool(row[0])

    def _is_check_valid(self, editor: BaseDatabaseSchemaEditor, table: Table) -> bool | None:
        """Whether the CHECK of an earlier run has been validated; None where there is none."""
        with editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_catalog.pg_get_constraintdef(oid), convalidated FROM pg_catalog.pg_constraint"
                " WHERE conrelid = %s AND conname = %s",
                [table.oid, self.check_name],
            )
            row = cursor.fetchone()
        if row is None:
            return None
        if row[0].removesuffix(" NOT VALID") != f"CHECK (({self.column} IS NOT NULL))":
            raise DefinitionDiffers(
                f"{self.check_name} of {table.qualified} is another rule, {row[0]}: rename it first"
            )
        return bool(row[1])
