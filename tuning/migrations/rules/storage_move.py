"""A table is copied to another place or form.

When: ALTER TABLE ... SET TABLESPACE, SET LOGGED, SET UNLOGGED or SET ACCESS METHOD.
Why: the whole table is written anew under ACCESS EXCLUSIVE: nobody reads or writes until it is done.
Remedy: make a new table there and move the rows in batches, or use pg_repack; else wait for a maintenance window.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.MOVE_STORAGE:
        message = f"{action.table} is written anew while nobody can read or write"
        yield Found(Outcome.FAIL, message, Effect.REWRITE, action)
