"""One statement writes every row of a table.

When: UPDATE or DELETE without WHERE in a migration.
Why: each row stays locked until the commit, dead rows and WAL come all at once, and replicas fall behind.
Remedy: go through the table in batches that commit.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.WRITE or "WHERE" in action.words or "into" in action.flags:
        return
    if script.exclusive_before(action) is None:  # then backfill-in-ddl-transaction speaks
        yield Found(Outcome.WARN, f"every row of {action.table} is written at once", Effect.WRITE, action)
