"""An exclusion constraint is built under a lock that stops everybody.

When: ALTER TABLE ... ADD CONSTRAINT ... EXCLUDE on a table that is in use.
Why: it builds an index under ACCESS EXCLUSIVE; it can be neither NOT VALID nor made from an index built beforehand.
Remedy: make a new table that has the constraint and move the rows over, or add it in a maintenance window.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.ADD_CONSTRAINT and action.constraint == "EXCLUDE":
        message = f"the exclusion constraint on {action.table} is built while nobody can read or write"
        yield Found(Outcome.FAIL, message, Effect.BUILD, action)
