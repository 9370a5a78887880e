"""Weigh a finding with what the server says of the table: harmless, as bad as it reads, or worse.

The text says what an operation does; the size, the writes and the open transactions say what that costs.
"""

from dataclasses import dataclass

from tuning.contract import Outcome
from tuning.migrations.findings import TIMED, Effect, Found
from tuning.migrations.locks import Lock, lock_of
from tuning.observe.facts import ServerFacts, TableFacts

MIB = 1024 * 1024

# Below both a table is small. Bytes: postgres_dba's i3 takes tables above 9 MB. Rows: pgdoctor and pgplan
# look at sequential scans from 10,000 rows on. At the slowest rate below, 9 MB are half a second.
SMALL_BYTES = 9 * 1024 * 1024
SMALL_ROWS = 10_000

# What a statement gets through in a second: assumptions, below what was measured on 2026-11-22 with PostgreSQL 18 on
# two shared cores and a million rows of five columns: a scan 950 (from memory), an index on bigint 166 and on text 99,
# a rewrite 61, an update 16. They decide between WARN and FAIL.
MIB_PER_S = {Effect.SCAN: 200.0, Effect.BUILD: 60.0, Effect.REWRITE: 40.0, Effect.WRITE: 10.0}

# Averages of younger statistics tell of a load or a test as likely as of the service (pgdoctor: 7 days).
TRUSTED_STATISTICS_S = 7 * 86_400.0

# squawk and its sources hold a lock of one second to be the most that a service can wait (require-lock-timeout).
LONG_LOCK_S = 1.0
# Statements that pile up behind a lock fill the pool: PgBouncer's default_pool_size (doc/config.md).
FULL_QUEUE = 20


@dataclass(frozen=True, slots=True)
class Weighed:
    outcome: Outcome
    reason: str = ""
    estimate: str = ""
    facts: str = ""


def weigh(found: Found, *, is_new: bool, table: TableFacts | None, server: ServerFacts | None) -> Weighed:
    """Decide a finding's outcome; without facts, the textual judgement stands."""
    if found.action is not None and is_new and found.effect not in (Effect.STYLE, Effect.FAILS):
        return Weighed(Outcome.OK, "the table is new: nobody uses it yet")
    if server is None or found.action is None or table is None:
        return Weighed(found.outcome)
    if not table.exists:
        # Perhaps a migration before this one makes it, so nothing is known and nothing is taken back.
        return Weighed(found.outcome, facts=f"{table.table}: not on this server")
    facts = describe(table, server)
    lock = lock_of(found.action)
    if found.effect not in TIMED:
        return Weighed(found.outcome, facts=facts)
    seconds = estimated_s(found.effect, table)
    estimate = _estimate(seconds, found.effect, lock, writes_per_s(table, server))
    if table.rows <= SMALL_ROWS and table.total_bytes <= SMALL_BYTES:
        return Weighed(Outcome.OK, f"{table.table} is small: about {table.rows} rows", estimate, facts)
    if not blocks_somebody(lock) and found.effect is not Effect.WRITE:
        return Weighed(found.outcome, "", estimate, facts)
    queued = seconds * writes_per_s(table, server)
    if seconds >= LONG_LOCK_S or queued >= FULL_QUEUE:
        return Weighed(Outcome.FAIL, "", estimate, facts)
    return Weighed(Outcome.WARN, f"shorter than {LONG_LOCK_S:.0f} s at the table's present size", estimate, facts)


def blocks_somebody(lock: Lock | None) -> bool:
    return lock is not None and lock is not Lock.SHARE_UPDATE_EXCLUSIVE


def writes_per_s(table: TableFacts, server: ServerFacts) -> float:
    """The busier of now and of the average, where the average can be trusted."""
    is_trusted = server.statistics_age_s >= TRUSTED_STATISTICS_S
    return max(table.writes_per_s, table.average_writes_per_s if is_trusted else 0.0)


def estimated_s(effect: Effect, table: TableFacts) -> float:
    """Seconds for the work, by the assumed rate."""
    size = table.total_bytes if effect is Effect.REWRITE else table.heap_bytes
    return size / MIB / MIB_PER_S[effect]


def describe(table: TableFacts, server: ServerFacts) -> str:
    """The facts of a table in one line."""
    parts = [
        f"{table.table}: about {table.rows:,} rows",
        f"{size(table.heap_bytes)} heap, {size(table.index_bytes)} indexes, {size(table.toast_bytes)} TOAST",
        f"{table.writes_per_s:.1f} writes/s over {server.sampled_s:.1f} s",
        f"{table.average_writes_per_s:.1f} writes/s since the statistics began",
    ]
    if table.holders:
        parts.append(f"{len(table.holders)} with an open transaction and a lock, the oldest {table.holders[0]}")
    elif server.sees_sessions:
        parts.append("no open transaction holds a lock")
    else:
        parts.append("open transactions cannot be seen without pg_read_all_stats")
    parts += [
        f"replica {replica.name} {replica.replay_lag_s:.1f} s and {size(replica.replay_lag_bytes)} behind"
        for replica in server.replicas
    ] or ["no replica"]
    return "; ".join(parts)


def size(count: int) -> str:
    for unit, bytes_each in (("GiB", 1024**3), ("MiB", 1024**2), ("kiB", 1024)):
        if count >= bytes_each:
            return f"{count / bytes_each:.1f} {unit}"
    return f"{count} B"


def _estimate(seconds: float, effect: Effect, lock: Lock | None, per_s: float) -> str:
    work = f"about {seconds:.1f} s at an assumed {MIB_PER_S[effect]:.0f} MiB/s"
    if effect is Effect.WRITE:
        return f"{effect.value}: {work}, each row locked until the commit"
    if lock is None or not blocks_somebody(lock):
        return f"{effect.value}: {work}, and blocks no reads or writes"
    queued = seconds * per_s
    return f"{effect.value} under {lock}: {work}; {lock.blocks} wait, about {queued:.0f} writes by then"
