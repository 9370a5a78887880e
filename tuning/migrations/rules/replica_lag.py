"""Much is to be written while a replica lags.

When: more than 9 MB are written anew, filled or indexed, and a replica is 10 s behind or more.
Why: all that is written goes through the replica's replay, which falls further behind; reads there grow old.
Remedy: wait until the replica has caught up, write in batches, and look at its lag between them.
"""

from collections.abc import Iterator

from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found, Outcome
from tuning.migrations.script import Script
from tuning.migrations.weighing import SMALL_BYTES
from tuning.observe.facts import ServerFacts

NEEDS_SESSIONS = True

# Ours: well above the second or two of a busy replica that keeps up.
LAG_S = 10.0
_WRITING = (Kind.ALTER_TYPE, Kind.MOVE_STORAGE, Kind.REPACK, Kind.CREATE_INDEX, Kind.REINDEX, Kind.WRITE)


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind not in _WRITING or facts is None:
        return
    table = facts.tables.get(str(action.table or action.name))
    behind = max(facts.replicas, key=lambda replica: replica.replay_lag_s, default=None)
    if table is None or behind is None or table.total_bytes <= SMALL_BYTES or behind.replay_lag_s < LAG_S:
        return
    message = f"replica {behind.name} is {behind.replay_lag_s:.0f} s behind and has this to replay as well"
    yield Found(Outcome.WARN, message, Effect.STYLE, action)
