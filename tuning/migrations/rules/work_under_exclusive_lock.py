"""Slow work in a transaction that holds ACCESS EXCLUSIVE already.

When: an index is built, or a constraint validated, on a table that the same transaction has altered before.
Why: the lock of the ALTER is kept until the commit, so readers wait for the whole build as well.
Remedy: give the slow statement a migration of its own.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

_EFFECTS = {Kind.CREATE_INDEX: Effect.BUILD, Kind.VALIDATE_CONSTRAINT: Effect.SCAN}


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    effect = _EFFECTS.get(action.kind)
    if effect is None or "concurrently" in action.flags:
        return
    if (altered := script.exclusive_before(action)) is not None:
        message = f"{action.table} cannot even be read until this is done: line {altered.line} holds ACCESS EXCLUSIVE"
        yield Found(Outcome.FAIL, message, effect, action)
