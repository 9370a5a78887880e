"""A concurrent build that has to wait for an old transaction.

When: CREATE INDEX, DROP INDEX or REINDEX CONCURRENTLY while a transaction has been open for a minute or longer.
Why: the build ends only when every transaction that is older has ended, on any table; it seems to hang until then.
Remedy: end the transaction first, or wait for it; the kit's operation refuses to begin behind one.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

NEEDS_SESSIONS = True

# pghero takes a query for long-running from here on.
OLD_S = 60.0


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind not in (Kind.CREATE_INDEX, Kind.DROP_INDEX, Kind.REINDEX) or "concurrently" not in action.flags:
        return
    if facts is not None and facts.oldest is not None and facts.oldest.age_s >= OLD_S:
        yield Found(Outcome.WARN, f"the build waits for {facts.oldest}", Effect.STYLE, action)
