"""A lock that has to wait for a transaction that is open now.

When: an operation locks a table, and a transaction older than a second holds a lock on it that conflicts.
Why: the operation waits for that transaction, and everybody who comes later waits behind the operation.
Remedy: end the transaction first, set a lock_timeout of about a second, and try again when it runs out.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind, Name
from tuning.migrations.findings import Effect, Found
from tuning.migrations.locks import Lock, lock_of, waits_for
from tuning.migrations.reading import referenced
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

NEEDS_SESSIONS = True

# A holder of this age outlives the lock_timeout of one second that squawk's require-lock-timeout advises.
HOLDER_AGE_S = 1.0


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    for name, lock in _locked(action):
        table = facts.tables.get(str(name)) if facts is not None else None
        if table is None or script.is_new(name, action):
            continue
        holders = [each for each in table.holders if each.age_s >= HOLDER_AGE_S and waits_for(lock, each.mode)]
        if holders:
            message = f"{lock} on {table.table} waits for {holders[0]}; {lock.blocks} wait behind it"
            yield Found(Outcome.FAIL, message, Effect.CATALOG, action)


def _locked(action: Action) -> Iterator[tuple[Name, Lock]]:
    """The tables that the action locks against writers; a foreign key locks both of its ends."""
    lock, name = lock_of(action), action.table or action.name
    if name is not None and lock is not None and lock is not Lock.SHARE_UPDATE_EXCLUSIVE:
        yield name, lock
    if action.kind in (Kind.ADD_CONSTRAINT, Kind.ADD_COLUMN) and (target := referenced(action.tail)) is not None:
        yield target, Lock.SHARE_ROW_EXCLUSIVE
