"""Much is to be written while a replica lags.

When: more than 9 MB are written anew, filled or indexed, and a replica is 10 s or 64 MiB behind.
Why: all that is written goes through the replica's replay, which falls further behind; reads there grow old.
Remedy: wait until the replica has caught up, write in batches, and look at its lag between them.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.migrations.weighing import SMALL_BYTES, size
from tuning.observe.facts import ServerFacts

NEEDS_SESSIONS = True

# Ours: well above the second or two of a busy replica that keeps up.
LAG_S = 10.0
# Also ours: four segments of WAL. A replica whose replay has stopped reports no lag in seconds.
LAG_BYTES = 64 * 1024 * 1024
_WRITING = (Kind.ALTER_TYPE, Kind.MOVE_STORAGE, Kind.REPACK, Kind.CREATE_INDEX, Kind.REINDEX, Kind.WRITE)


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind not in _WRITING or facts is None:
        return
    table = facts.tables.get(str(action.table or action.name))
    if table is None or table.total_bytes <= SMALL_BYTES:
        return
    for replica in facts.replicas:
        if replica.replay_lag_s >= LAG_S or replica.replay_lag_bytes >= LAG_BYTES:
            behind = f"{replica.replay_lag_s:.0f} s and {size(replica.replay_lag_bytes)}"
            message = f"replica {replica.name} is {behind} behind and has this to replay as well"
            yield Found(Outcome.WARN, message, Effect.STYLE, action)
