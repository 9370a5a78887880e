"""A table is packed anew while nobody can use it.

When: VACUUM FULL or CLUSTER.
Why: both write the table and all its indexes anew under ACCESS EXCLUSIVE.
Remedy: use pg_repack or pg_squeeze, which let readers and writers go on; plain VACUUM where reuse is enough.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.REPACK:
        what = action.table or "every table"
        yield Found(Outcome.FAIL, f"{what} is packed anew while nobody can read or write", Effect.REWRITE, action)
