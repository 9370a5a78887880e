"""A script as rules see it: its actions in order, the transaction each stands in, and what came before."""

from dataclasses import dataclass, field

from tuning.migrations import parsing
from tuning.migrations.actions import Action, Kind, Name
from tuning.migrations.locks import Lock, lock_of
from tuning.sql_tokens import split


@dataclass(frozen=True, slots=True)
class Step:
    """An action and the number of the transaction it stands in; None where it stands alone."""

    action: Action
    transaction: int | None


@dataclass(frozen=True, slots=True)
class _Index:
    """Where to find what rules ask for again and again, by place in the script."""

    place: dict[int, int] = field(default_factory=dict)
    made: dict[tuple[str, str], int] = field(default_factory=dict)
    exclusive: dict[tuple[int, tuple[str, str]], int] = field(default_factory=dict)

    @classmethod
    def of(cls, steps: list[Step]) -> "_Index":
        index = cls()
        for at, step in enumerate(steps):
            action = step.action
            index.place[id(action)] = at
            if action.table is None:
                continue
            if action.kind is Kind.CREATE_TABLE:
                index.made.setdefault(action.table.key, at)
            if step.transaction is not None and lock_of(action) is Lock.ACCESS_EXCLUSIVE:
                index.exclusive.setdefault((step.transaction, action.table.key), at)
        return index


@dataclass(frozen=True, slots=True)
class Script:
    """``path`` is what findings name; ``text`` is what lines are counted in."""

    path: str
    text: str
    steps: tuple[Step, ...]
    _index: _Index = field(repr=False, compare=False)

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
        return cls(path, text, tuple(steps), _Index.of(steps))

    def before(self, action: Action) -> tuple[Step, ...]:
        return self.steps[: self._index.place[id(action)]]

    def is_new(self, table: Name | None, action: Action) -> bool:
        """Whether the script itself made the table, so that nobody uses it yet."""
        here = self._index.place[id(action)]
        return table is not None and self._index.made.get(table.key, here) < here

    def exclusive_before(self, action: Action) -> Action | None:
        """The action whose ACCESS EXCLUSIVE lock on the same table is still held."""
        here = self._index.place[id(action)]
        transaction = self.steps[here].transaction
        if transaction is None or action.table is None:
            return None
        at = self._index.exclusive.get((transaction, action.table.key), here)
        return self.steps[at].action if at < here else None
