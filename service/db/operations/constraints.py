"""Add the constraints of ``constraints/<name>.sql`` in two steps, so that no long check holds a strong lock."""

from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from service.db import constraints, locks, tables
from service.db.constraints import State
from service.db.errors import WronglyUsed
from service.db.observer import backend_pid, looking
from service.db.operations.base import FileOperation, OwnTransactions
from service.db.progress import WaitProgress
from service.db.sessions import turn


class AddConstraintNotValid(OwnTransactions, FileOperation):
    """Add a CHECK or a FOREIGN KEY for rows to come; reversed, drop it.

    Raises:
        LockNotObtained: Others held the table through all tries.
        DefinitionDiffers: Another constraint has the name.
    """

    verb = "Add constraint of"

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        file = constraints.read(self.path)
        if editor.collect_sql:
            editor.execute(file.statement, params=None)
            return
        with turn(editor.connection, self.describe()):
            table = tables.find(editor.connection, file.table)
            if constraints.state(editor.connection, file, table) is State.MISSING:
                locks.execute(editor, [file.statement], doing=self.describe())

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        file = constraints.read(self.path)
        statement = f"ALTER TABLE {file.table} DROP CONSTRAINT {file.name}"
        if editor.collect_sql:
            editor.execute(statement, params=None)
            return
        with turn(editor.connection, self.describe()):
            table = tables.find(editor.connection, file.table)
            if constraints.state(editor.connection, file, table) is not State.MISSING:
                locks.execute(editor, [statement], doing=self.describe())


class ValidateConstraint(OwnTransactions, FileOperation):
    """Check the rows that were there before the constraint; readers and writers go on meanwhile.

    Reversed it does nothing: that rows obey a rule is no change of them, and reversing
    ``AddConstraintNotValid`` drops the rule.

    Raises:
        WronglyUsed: The constraint has not been added.
        django.db.IntegrityError: A row breaks it; the constraint stays NOT VALID.
    """

    verb = "Validate constraint of"

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        file = constraints.read(self.path)
        if not editor.collect_sql:
            with turn(editor.connection, self.describe()):
                table = tables.find(editor.connection, file.table)
                state = constraints.state(editor.connection, file, table)
                if state is State.MISSING:
                    raise WronglyUsed(f"{file.name} is not there: AddConstraintNotValid({self.path!r}) comes before it")
                if state is State.NOT_VALID:
                    validate(editor, table.qualified, file.name)
        else:
            validate(editor, file.table, file.name)

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        """Leave the constraint as it is."""


def validate(editor: BaseDatabaseSchemaEditor, table: str, name: str) -> None:
    """Validate a constraint under its weak lock, for as long as it takes."""
    statement = f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"
    if editor.collect_sql:
        editor.execute(statement, params=None)
        return
    connection = editor.connection
    look = WaitProgress(backend_pid(connection), f"validating {name}")
    with looking(connection, look), transaction.atomic(using=connection.alias):
        editor.execute("SET LOCAL lock_timeout = 0", params=None)
        editor.execute("SET LOCAL statement_timeout = 0", params=None)
        editor.execute(statement, params=None)
