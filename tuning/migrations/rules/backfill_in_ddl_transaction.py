"""Rows are written in the transaction that changed their table.

When: UPDATE, DELETE or INSERT ... SELECT on a table that the same transaction has altered.
Why: the lock of the ALTER is kept until all rows are written, so everybody waits for the backfill.
Remedy: write the rows in a migration of its own, in batches that commit.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.WRITE or "VALUES" in action.words:
        return
    if (altered := script.exclusive_before(action)) is not None:
        message = f"{action.table} stays locked since line {altered.line} until these rows are written"
        yield Found(Outcome.FAIL, message, Effect.WRITE, action)
