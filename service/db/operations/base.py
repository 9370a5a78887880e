"""What the operations have in common: a path for an argument, and what is refused before anything is done."""

from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from service.db import preflight


class ServerOperation(Operation):
    """An operation of the database alone: Django's model state knows nothing of it.

    Where the state does change, ``SeparateDatabaseAndState`` says so beside it.
    """

    reduces_to_sql = True
    reversible = True
    verb = "Apply"

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing of it is part of the model state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label):
            self.check(schema_editor)
            self.apply(schema_editor)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label):
            self.check(schema_editor)
            self.undo(schema_editor)

    def check(self, editor: BaseDatabaseSchemaEditor) -> None:
        """Refuse what the operation cannot work with."""

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        raise NotImplementedError

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        raise NotImplementedError


class FileOperation(ServerOperation):
    """An operation whose argument is a path below the root of the SQL files."""

    def __init__(self, path: str) -> None:
        self.path = path

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.path], {}

    def describe(self) -> str:
        return f"{self.verb} {self.path}"


class OwnTransactions(ServerOperation):
    """An operation that commits on its own terms, and so needs ``atomic = False`` and a session of its own."""

    atomic = False

    def check(self, editor: BaseDatabaseSchemaEditor) -> None:
        if not editor.collect_sql:
            preflight.refuse_transaction(editor.connection, self.describe())
            preflight.refuse_pooler(editor.connection, self.describe())
