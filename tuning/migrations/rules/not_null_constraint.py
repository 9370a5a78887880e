"""A NOT NULL constraint of PostgreSQL 18 is added without NOT VALID.

When: ALTER TABLE ... ADD [CONSTRAINT name] NOT NULL column, without NOT VALID.
Why: every row is read under ACCESS EXCLUSIVE.
Remedy: add it NOT VALID and validate it in a migration of its own; before PostgreSQL 18 use a CHECK for it.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.ADD_CONSTRAINT and action.constraint == "NOT" and "not_valid" not in action.flags:
        message = f"{action.table}.{action.column} becomes NOT NULL while every row is read"
        yield Found(Outcome.FAIL, message, Effect.SCAN, action)
