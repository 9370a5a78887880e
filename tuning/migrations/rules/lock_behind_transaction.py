"""A lock that has to wait for a transaction that is open now.

When: an operation locks a table, and a transaction older than a second holds a lock on it that conflicts.
Why: the operation waits for that transaction, and everybody who comes later waits behind the operation.
Remedy: end the transaction first, set a lock_timeout of about a second, and try again when it runs out.
"""

from collections.abc import Iterator

from tuning.migrations.actions import Action
from tuning.migrations.findings import Effect, Found, Outcome
from tuning.migrations.locks import Lock, lock_of, waits_for
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

NEEDS_SESSIONS = True

# A holder of this age outlives the lock_timeout of one second that squawk's require-lock-timeout advises.
HOLDER_AGE_S = 1.0


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    lock = lock_of(action)
    if facts is None or lock is None or lock is Lock.SHARE_UPDATE_EXCLUSIVE or script.is_new(action.table, action):
        return
    table = facts.tables.get(str(action.table or action.name))
    holders = [
        holder
        for holder in (table.holders if table else ())
        if holder.age_s >= HOLDER_AGE_S and waits_for(lock, holder.mode)
    ]
    if table is not None and holders:
        message = f"{lock} on {table.table} waits for {holders[0]}; {lock.blocks} wait behind it"
        yield Found(Outcome.FAIL, message, Effect.CATALOG, action)
