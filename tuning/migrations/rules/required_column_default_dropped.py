"""A new NOT NULL column loses its default while the old release still inserts.

When: a column is added NOT NULL with a default that the same script drops, as Django does without db_default.
Why: the release that runs does not name the column in its INSERTs, so each of them fails from the commit on.
Remedy: keep the default in the database (db_default), or add the column nullable and make it NOT NULL a release later.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind, has_sequence
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.DROP_DEFAULT or action.table is None:
        return
    for step in script.before(action):
        added = step.action
        if (
            added.kind is Kind.ADD_COLUMN
            and added.table is not None
            and added.table.is_same(action.table)
            and added.column == action.column
            and has_sequence(added.words, "NOT", "NULL")
        ):
            message = f"{action.table}.{action.column} is required from now on, and code that runs does not know it"
            yield Found(Outcome.FAIL, message, Effect.BREAKS, added)
