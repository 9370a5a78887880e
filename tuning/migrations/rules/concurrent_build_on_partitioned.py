"""A partitioned table takes no concurrent build.

When: CREATE INDEX CONCURRENTLY on a table that is partitioned on the server.
Why: PostgreSQL refuses it, and without CONCURRENTLY every partition is locked for the whole build.
Remedy: CREATE INDEX ON ONLY the parent, build each partition's index CONCURRENTLY, then attach each with ALTER INDEX.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

NEEDS_FACTS = True


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.CREATE_INDEX or "concurrently" not in action.flags or facts is None:
        return
    table = facts.tables.get(str(action.table))
    if table is not None and table.is_partitioned:
        yield Found(Outcome.FAIL, f"{action.table} is partitioned: this statement fails", Effect.FAILS, action)
