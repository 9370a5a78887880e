"""Change the rows of a large table a batch at a time."""

import logging
import re
import time
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from service.db import backfill_state, locks, manifest, replicas, sqlfiles, tables
from service.db.errors import WronglyUsed
from service.db.operations.base import FileOperation, OwnTransactions
from service.db.sessions import turn
from service.db.tables import IDENTIFIER, Table

logger = logging.getLogger(__name__)

# A batch locks its rows until it commits: 1,000 narrow rows take some 10 ms, so nobody waits long.
BATCH_ROWS = 1000
# Others get the disk for as long as a batch took, and vacuum goes on between batches.
PAUSE_S = 0.01
LOG_INTERVAL_S = 10.0
_PLACEHOLDERS = ("%(first)s", "%(last)s")


class Backfill(OwnTransactions, FileOperation):
    """Run the UPDATE of a file for one range of the primary key after another.

    The file holds one UPDATE whose WHERE has ``key BETWEEN %(first)s AND %(last)s``; any other % in
    it is written %%. Each batch is a short transaction of its own. Ended anywhere, it goes on behind
    the last batch; finished, it does nothing. Rows that come meanwhile with a key behind the last one
    are the application's to fill: release what writes the new value first.

    Reversed it forgets how far it was and leaves the values, which nobody knows the old ones of.

    Args:
        path: The file, below ``backfills/``.
        table: The table, as SQL writes it.
        key: A column with a unique index of its own, as SQL writes it.
    """

    verb = "Backfill by"

    def __init__(
        self, path: str, table: str, key: str = "id", *, batch_rows: int = BATCH_ROWS, pause_s: float = PAUSE_S
    ) -> None:
        super().__init__(path)
        if batch_rows < 1 or pause_s < 0:
            raise ValueError("batch_rows is 1 at least, and pause_s not negative")
        self.table = table
        self.key = key
        self.batch_rows = batch_rows
        self.pause_s = pause_s

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        given = {"batch_rows": self.batch_rows, "pause_s": self.pause_s}
        usual = {"batch_rows": BATCH_ROWS, "pause_s": PAUSE_S}
        changed = {name: value for name, value in given.items() if value != usual[name]}
        return type(self).__name__, [self.path, self.table, self.key], changed

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        text = manifest.read(self.path)
        statement = _statement(self.path, text)
        if editor.collect_sql:
            editor.execute(f"-- again and again, for {self.batch_rows} rows at a time:\n{statement}", params=None)
            return
        connection = editor.connection
        with turn(connection, self.describe()):
            table = tables.find(connection, self.table)
            kind = self._key_type(editor, table)
            state = backfill_state.begin(connection, self.path, manifest.digest(text))
            if state.is_finished:
                logger.info("%s is finished already", self.path)
                return
            if state.digest != manifest.digest(text):
                raise WronglyUsed(
                    f"{self.path} has changed since its first batches ran: put the change into a backfill of its own, "
                    f"or delete its row of {backfill_state.TABLE} to begin anew"
                )
            self._run(editor, table, statement, kind, state)
            backfill_state.finish(connection, self.path)

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        if not editor.collect_sql:
            with turn(editor.connection, self.describe()):
                backfill_state.forget(editor.connection, self.path)

    def _run(
        self,
        editor: BaseDatabaseSchemaEditor,
        table: Table,
        statement: str,
        kind: str,
        state: backfill_state.Progress,
    ) -> None:
        connection = editor.connection
        last, rows, told = state.last_key, state.rows, time.monotonic()
        while (batch := self._next(editor, table, kind, last)) is not None:
            first, last = batch
            changed = self._change(editor, statement, kind, first, last)
            rows += changed
            if time.monotonic() - told > LOG_INTERVAL_S:
                told = time.monotonic()
                logger.info("%s: %s rows changed, %s done up to %s = %s", self.path, rows, table.name, self.key, last)
            time.sleep(self.pause_s)
            replicas.wait(connection, self.describe())
        logger.info("%s: %s rows changed in all", self.path, rows)

    def _change(self, editor: BaseDatabaseSchemaEditor, statement: str, kind: str, first: str, last: str) -> int:
        """Run the UPDATE for one range; returns how many rows it changed."""
        changed = 0
        text = statement
        for placeholder in _PLACEHOLDERS:
            text = text.replace(placeholder, f"CAST({placeholder} AS {kind})")

        def work() -> None:
            nonlocal changed
            with editor.connection.cursor() as cursor:
                cursor.execute(text, {"first": first, "last": last})
                changed = cursor.rowcount
                backfill_state.advance(cursor, self.path, last, changed)

        locks.run(editor.connection, work, doing=self.describe())
        return changed

    def _next(
        self, editor: BaseDatabaseSchemaEditor, table: Table, kind: str, last: str | None
    ) -> tuple[str, str] | None:
        """The first and the last key of the next batch, as texts."""
        behind = f"WHERE {self.key} > CAST(%s AS {kind})" if last is not None else ""
        with editor.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT (array_agg(key ORDER BY key))[1]::text, (array_agg(key ORDER BY key DESC))[1]::text"  # noqa: S608
                f"  FROM (SELECT {self.key} AS key FROM {table.qualified} {behind}"
                f"         ORDER BY {self.key} LIMIT {self.batch_rows}) AS batch",
                [last] if last is not None else [],
            )
            first, end = cursor.fetchone()
        return None if first is None else (first, end)

    def _key_type(self, editor: BaseDatabaseSchemaEditor, table: Table) -> str:
        """The type of the key column, which must be unique and indexed: else a batch has no bound."""
        if not re.fullmatch(IDENTIFIER, self.key, re.IGNORECASE):
            raise WronglyUsed(f"{self.key!r} is not the name of a column")
        with editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a"
                "  JOIN pg_catalog.pg_index AS i ON i.indrelid = a.attrelid AND i.indkey[0] = a.attnum"
                "   AND i.indnkeyatts = 1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
                " WHERE a.attrelid = %s AND quote_ident(a.attname) = %s AND a.attnotnull",
                [table.oid, self.key],
            )
            row = cursor.fetchone()
        if row is None:
            raise WronglyUsed(
                f"{table.qualified} has no column {self.key} that is NOT NULL with a unique index of its own"
            )
        return str(row[0])


def _statement(path: str, text: str) -> str:
    found = sqlfiles.statements(text)
    is_update = len(found) == 1 and re.match(r"UPDATE\s", found[0], re.IGNORECASE)
    if not is_update or any(placeholder not in found[0] for placeholder in _PLACEHOLDERS):
        raise WronglyUsed(
            f"{path} must hold one UPDATE with {' and '.join(_PLACEHOLDERS)}, the ends of a range of keys"
        )
    return found[0]
