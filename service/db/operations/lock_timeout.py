"""Run Django's own operations under the lock discipline."""

from collections.abc import Sequence
from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from service.db import locks
from service.db.errors import WronglyUsed
from service.db.operations.base import OwnTransactions
from service.db.sessions import turn


class WithLockTimeout(OwnTransactions):
    """Run operations that need a strong lock for a moment, such as ``AddField`` of a column that may be NULL.

    All of them or none, in one transaction that waits only briefly for its locks and is tried again.
    What reads or writes every row does not belong here: it would hold the lock for as long.

    Args:
        operations: Django's, or a project's own, in order; reversed in reverse order.

    Raises:
        LockNotObtained: Others held a table through all tries.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        if refused := [each.describe() for each in operations if isinstance(each, OwnTransactions)]:
            raise WronglyUsed(f"WithLockTimeout is for operations of one transaction, not for: {', '.join(refused)}")
        self.operations = list(operations)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.operations], {}

    def describe(self) -> str:
        return "; ".join(each.describe() for each in self.operations)

    @property
    def reversible(self) -> bool:  # type: ignore[override]  # as RunSQL does
        return all(each.reversible for each in self.operations)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        for each in self.operations:
            each.state_forwards(app_label, state)

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        steps = []
        state = from_state.clone()
        for each in self.operations:
            before = state.clone()
            each.state_forwards(app_label, state)
            steps.append((each.database_forwards, before, state.clone()))
        self._run(app_label, schema_editor, steps)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        steps: list[tuple[Any, ...]] = []
        state = to_state.clone()
        for each in self.operations:
            before = state.clone()
            each.state_forwards(app_label, state)
            steps.insert(0, (each.database_backwards, state.clone(), before))
        self._run(app_label, schema_editor, steps)

    def _run(self, app_label: str, editor: BaseDatabaseSchemaEditor, steps: Sequence[tuple[Any, ...]]) -> None:
        if not router.allow_migrate(editor.connection.alias, app_label):
            return
        self.check(editor)
        kept = list(editor.deferred_sql)

        def work() -> None:
            editor.deferred_sql = list(kept)
            for change, before, after in steps:
                change(app_label, editor, before, after)
            # What Django would run at the end of the migration, without a limit, belongs to the same transaction.
            for statement in editor.deferred_sql[len(kept) :]:
                editor.execute(statement, params=None)
            editor.deferred_sql = list(kept)

        if editor.collect_sql:
            work()
            return
        with turn(editor.connection, self.describe()):
            locks.run(editor.connection, work, doing=self.describe())
