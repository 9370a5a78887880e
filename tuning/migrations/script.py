"""A script as rules see it: its actions in order, the transaction each stands in, and what came before."""

from dataclasses import dataclass

from tuning.migrations import parsing
from tuning.migrations.actions import Action, Kind, Name
from tuning.migrations.locks import Lock, lock_of
from tuning.migrations.tokens import split


@dataclass(frozen=True, slots=True)
class Step:
    """An action and the number of the transaction it stands in; None where it stands alone."""

    action: Action
    transaction: int | None


@dataclass(frozen=True, slots=True)
class Script:
    """``path`` is what findings name; ``text`` is what lines are counted in."""

    path: str
    text: str
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, path: str, text: str) -> "Script":
        steps = []
        transaction: int | None = None
        begun = 0
        for statement in split(text):
            for action in parsing.actions(statement):
                if action.kind is Kind.BEGIN and transaction is None:
                    begun += 1
                    transaction = begun
                steps.append(Step(action, transaction))
                if action.kind is Kind.COMMIT:
                    transaction = None
        return cls(path, text, tuple(steps))

    def before(self, action: Action) -> tuple[Step, ...]:
        return self.steps[: self._at(action)]

    def earlier_in_transaction(self, action: Action) -> tuple[Action, ...]:
        """The actions of the same transaction that came before; none where it stands alone."""
        here = self.steps[self._at(action)].transaction
        if here is None:
            return ()
        return tuple(step.action for step in self.before(action) if step.transaction == here)

    def is_in_transaction(self, action: Action) -> bool:
        return self.steps[self._at(action)].transaction is not None

    def is_new(self, table: Name | None, action: Action) -> bool:
        """Whether the script itself made the table, so that nobody uses it yet."""
        return table is not None and any(
            step.action.kind is Kind.CREATE_TABLE and step.action.table is not None and step.action.table.is_same(table)
            for step in self.before(action)
        )

    def exclusive_before(self, action: Action) -> Action | None:
        """The action whose ACCESS EXCLUSIVE lock on the same table is still held."""
        for earlier in self.earlier_in_transaction(action):
            if (
                earlier.table is not None
                and action.table is not None
                and earlier.table.is_same(action.table)
                and lock_of(earlier) is Lock.ACCESS_EXCLUSIVE
            ):
                return earlier
        return None

    def _at(self, action: Action) -> int:
        return next(at for at, step in enumerate(self.steps) if step.action is action)
