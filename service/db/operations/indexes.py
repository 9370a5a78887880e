"""Build and drop the indexes of ``indexes/<name>.sql`` without blocking writers."""

import contextlib
import logging
import time

from django.db import Error as DatabaseError
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from service.db import indexes, preflight, tables
from service.db.errors import BuildFailed, LockNotObtained, WronglyUsed
from service.db.indexes import IndexFile, State
from service.db.observer import backend_pid, looking
from service.db.operations.base import FileOperation, OwnTransactions
from service.db.progress import BuildProgress
from service.db.sessions import TURN_TIMEOUT_S, turn, without_timeouts
from service.db.tables import Table

logger = logging.getLogger(__name__)

# Between two looks at somebody else's build of the same index.
_BUILDERS_INTERVAL_S = 1.0


class CreateIndexFromFile(OwnTransactions, FileOperation):
    """Build the index of a file; reversed, drop it.

    Run again after whatever ended it, it goes on from what it finds: a valid index of the same
    definition is accepted, an invalid one is dropped and built again, and the result is verified.

    Raises:
        LongTransaction: The build would wait for a transaction that has long been open.
        DefinitionDiffers: Another index has the name.
        BuildFailed: The build ended, and the index cannot be used.
    """

    verb = "Build index of"

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        build(editor, indexes.read(self.path), self.describe())

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        drop(editor, indexes.read(self.path), self.describe())


class DropIndexConcurrently(OwnTransactions, FileOperation):
    """Drop the index of a file; reversed, build it again.

    Raises:
        LongTransaction: It would wait for a transaction that has long been open.
        DefinitionDiffers: Another index has the name, which reversing would not bring back.
    """

    verb = "Drop index of"

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        drop(editor, indexes.read(self.path), self.describe())

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        build(editor, indexes.read(self.path), self.describe())


def build(editor: BaseDatabaseSchemaEditor, file: IndexFile, doing: str) -> None:
    if editor.collect_sql:
        editor.execute(file.statement, params=None)
        return
    connection = editor.connection
    with without_timeouts(connection), turn(connection, doing):
        table = _table(editor, file)
        state = _settled(editor, file, table)
        if state is State.VALID:
            logger.info("index %s is there already", file.name)
            return
        preflight.refuse_long_transactions(connection, doing, table)
        if state is State.INVALID:
            logger.info("index %s was left invalid by a build that ended: dropping it", file.name)
            _drop(editor, file, table)
        try:
            with looking(connection, BuildProgress(backend_pid(connection), file.name)):
                editor.execute(file.statement, params=None)
        except DatabaseError:
            _drop_remainder(editor, file, table)
            raise
        if indexes.state(connection, file, table) is not State.VALID:
            raise BuildFailed(f"index {file.name} was built and cannot be used: migrate again, it is built anew")


def drop(editor: BaseDatabaseSchemaEditor, file: IndexFile, doing: str) -> None:
    connection = editor.connection
    if editor.collect_sql:
        schema = file.table.rpartition(".")[0]
        editor.execute(f"DROP INDEX CONCURRENTLY {f'{schema}.' if schema else ''}{file.name}", params=None)
        return
    with without_timeouts(connection), turn(connection, doing):
        table = tables.find(connection, file.table)
        if _settled(editor, file, table) is State.MISSING:
            logger.info("index %s is gone already", file.name)
            return
        preflight.refuse_long_transactions(connection, doing, table)
        _drop(editor, file, table)


def _table(editor: BaseDatabaseSchemaEditor, file: IndexFile) -> Table:
    table = tables.find(editor.connection, file.table)
    if table.is_partitioned:
        raise WronglyUsed(
            f"{table.qualified} is partitioned, and PostgreSQL builds no index of all partitions concurrently: build "
            "one for each partition with a file of its own, then CREATE INDEX ON ONLY the parent and ATTACH them to it"
        )
    return table


def _settled(editor: BaseDatabaseSchemaEditor, file: IndexFile, table: Table) -> State:
    """What is there once nobody builds it any more: a build by hand does not wait for its turn."""
    deadline = time.monotonic() + TURN_TIMEOUT_S
    while (state := indexes.state(editor.connection, file, table)) is State.INVALID:
        pids = indexes.builders(editor.connection, file, table)
        if not pids:
            break
        if time.monotonic() > deadline:
            raise LockNotObtained(f"index {file.name} has been under construction for an hour by pid {pids}")
        logger.info("index %s is being built by pid %s: waiting for it", file.name, pids)
        time.sleep(_BUILDERS_INTERVAL_S)
    return state


def _drop(editor: BaseDatabaseSchemaEditor, file: IndexFile, table: Table) -> None:
    editor.execute(f"DROP INDEX CONCURRENTLY {table.schema}.{file.name}", params=None)


def _drop_remainder(editor: BaseDatabaseSchemaEditor, file: IndexFile, table: Table) -> None:
    """Leave nothing behind of a build that failed, where the connection still lives; else the next run does."""
    with contextlib.suppress(DatabaseError):
        if indexes.state(editor.connection, file, table) is State.INVALID:
            _drop(editor, file, table)
