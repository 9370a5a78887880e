"""IF NOT EXISTS takes an invalid index for a finished one.

When: CREATE INDEX CONCURRENTLY IF NOT EXISTS.
Why: an interrupted build leaves an invalid index of that name. The statement then succeeds and builds nothing, and no
    query ever uses the index.
Remedy: drop the invalid remainder, build, and verify: CreateIndexFromFile does all three.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.CREATE_INDEX and {"concurrently", "if_not_exists"} <= action.flags:
        message = f"{action.name or 'the index'} may exist and be invalid, and this would not say so"
        yield Found(Outcome.WARN, message, Effect.STYLE, action)
