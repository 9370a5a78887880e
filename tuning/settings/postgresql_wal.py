"""How PostgreSQL writes its log: checkpoints, buffers, and what a commit waits for."""

import math

from tuning.settings import formulas
from tuning.settings.facts import Advice, Facts
from tuning.settings.words import is_near, keep, memory, propose, skip, unread

_PAGE_BYTES = 8192
_GB = 1024**3
# Ours: where images of whole pages are over half of the log, checkpoints are what fills it.
FEW_IMAGES = 0.5
# Ours: recovery replays what was written since the last checkpoint but one; a quarter of an hour of it is bearable.
LONG_TIMEOUT_S = 900.0
# PostgreSQL's default since 14, and pgtune's value.
COMPLETION_TARGET = 0.9
# Ours: of ten checkpoints one may be an administrator's or a backup's.
FEW_REQUESTED = 0.1
# Ours: a log that is larger than this takes hours to replay, and its disk is another question.
MOST_WAL_BYTES = 64 * _GB
# Ours: one full buffer in a hundred transactions.
FEW_FULL = 0.01
WAL_BUFFERS_BYTES = 64 * 1024**2
# PostgreSQL's manual, 19.5.1: three times wal_writer_delay.
LOST_WRITER_DELAYS = 3
# Ours: below it flushes are shared already, or too quick to wait for others.
FEW_COMMITS_PER_FLUSH = 1.5
SLOW_FLUSH_MS = 1.0
_MANUAL = "PostgreSQL manual, WAL Configuration"


def checkpoint_completion_target(facts: Facts) -> Advice:
    name = "checkpoint_completion_target"
    current = facts.number(name)
    if current >= COMPLETION_TARGET:
        return keep(facts, name, f"checkpoints are spread over {current:.0%} of their interval")
    return propose(
        facts,
        name,
        f"{COMPLETION_TARGET:g}",
        COMPLETION_TARGET,
        formula=f"the default since 14, {COMPLETION_TARGET:g}",
        evidence=f"each checkpoint writes in {current:.0%} of its interval, and rests for the others",
        source=_MANUAL,
    )


def checkpoint_timeout(facts: Facts) -> Advice:
    name, wal = "checkpoint_timeout", facts.server.wal
    if wal is None or wal.full_page_images is None:
        return skip(facts, name, unread(facts, "wal"))
    if young := facts.too_young(wal.seconds):
        return skip(facts, name, young)
    share = min(wal.full_page_images * _PAGE_BYTES / wal.bytes, 1.0) if wal.bytes else 0.0
    current_s = facts.number(name) / 1000
    told = f"images of whole pages are up to {share:.0%} of the log"
    if share < FEW_IMAGES:
        return keep(facts, name, told)
    if current_s >= LONG_TIMEOUT_S or is_near(current_s, LONG_TIMEOUT_S):
        return keep(facts, name, f"{told}, and checkpoints are {current_s / 60:.0f} min apart")
    return propose(
        facts,
        name,
        f"{LONG_TIMEOUT_S / 60:.0f}min",
        LONG_TIMEOUT_S * 1000,
        formula=f"{LONG_TIMEOUT_S:.0f} s: each page is written whole once in a checkpoint's interval",
        evidence=f"{told}, with checkpoints {current_s:.0f} s apart; recovery after a crash takes longer with it",
        source=f"{_MANUAL}; the length is ours",
    )


def max_wal_size(facts: Facts) -> Advice:
    name, wal = "max_wal_size", facts.wal
    if wal is None:
        return skip(facts, name, unread(facts, "wal"))
    is_recorded = facts.recorded is not None and facts.recorded.wal is not None
    if young := facts.too_young(wal.seconds, is_recorded=is_recorded):
        return skip(facts, name, young)
    per_s, timeout_s = wal.bytes / wal.seconds, facts.number("checkpoint_timeout") / 1000
    target, current = facts.number("checkpoint_completion_target"), facts.number(name)
    wanted = formulas.max_wal_bytes(per_s, timeout_s, target)
    rounded = min(math.ceil(wanted / _GB) * _GB, MOST_WAL_BYTES)
    formula = (
        f"{memory(per_s)}/s x checkpoint_timeout {timeout_s:.0f} s x (1 + {target:g}) x {formulas.WAL_HEADROOM:g} = "
        f"{memory(wanted)}, in whole GB {memory(rounded)}"
    )
    found = facts.server.checkpoints
    told = f"{memory(per_s)} of log a second for {wal.seconds:,.0f} s"
    if wanted <= current or is_near(current, rounded) or rounded <= current:
        return keep(facts, name, f"{told}: {memory(wanted)} between checkpoints is enough")
    if not is_recorded:
        if found is None:
            return skip(facts, name, unread(facts, "checkpoints"))
        all_of_them = found.timed + found.requested
        share = found.requested / all_of_them if all_of_them else 0.0
        told += f"; {found.requested:,.0f} of {all_of_them:,.0f} checkpoints were requested, not timed"
        if share <= FEW_REQUESTED:
            return keep(facts, name, told)
    return propose(
        facts,
        name,
        memory(rounded),
        float(rounded),
        formula=formula,
        evidence=f"{told}; the disk of pg_wal has to hold it",
        source=f"{_MANUAL}; xlog.c, CalculateCheckpointSegments",
    )


def wal_buffers(facts: Facts) -> Advice:
    name, wal, counters = "wal_buffers", facts.server.wal, facts.server.counters
    if wal is None or wal.buffers_full is None or counters is None:
        return skip(facts, name, unread(facts, "wal" if wal is None else "counters"))
    if young := facts.too_young(min(wal.seconds, counters.seconds)):
        return skip(facts, name, young)
    per_transaction = (wal.buffers_full / wal.seconds) / max(counters.commits / counters.seconds, 1e-9)
    told = f"they were full {wal.buffers_full:,.0f} times, {per_transaction:.3f} times a transaction"
    current = facts.number(name)
    if per_transaction < FEW_FULL or current >= WAL_BUFFERS_BYTES:
        return keep(facts, name, told)
    return propose(
        facts,
        name,
        memory(WAL_BUFFERS_BYTES),
        float(WAL_BUFFERS_BYTES),
        formula=f"{memory(WAL_BUFFERS_BYTES)}, four segments of the log",
        evidence=told,
        source="PostgreSQL manual, Settings (wal_buffers); the size is ours",
    )


def synchronous_commit(facts: Facts) -> Advice:
    """Never proposed: what it may lose is the owner's to decide. What it costs and what it would lose is said."""
    name, wal = "synchronous_commit", facts.wal
    lost_ms = LOST_WRITER_DELAYS * facts.number("wal_writer_delay")
    if facts.text(name) == "off":
        return keep(facts, name, f"a crash loses up to {lost_ms:.0f} ms of transactions that were answered")
    cost = "what a flush takes is not timed: track_wal_io_timing"
    if wal is not None and wal.flushes and wal.flush_ms is not None:
        cost = f"a commit waits for a flush of {wal.flush_ms / wal.flushes:.2f} ms on average"
    return keep(facts, name, f"{cost}; off would lose up to {lost_ms:.0f} ms of answered transactions: not proposed")


def commit_delay(facts: Facts) -> Advice:
    name, recorded = "commit_delay", facts.recorded
    wal = recorded.wal if recorded is not None else None
    if recorded is None or wal is None:
        return skip(facts, name, "whether commits come in groups is seen in a timeline alone: --timeline or --run")
    if not wal.flushes or wal.flush_ms is None or wal.commits is None:
        return skip(facts, name, "the timeline does not say how long flushes took: track_wal_io_timing")
    flush_ms, per_flush = wal.flush_ms / wal.flushes, wal.commits / wal.flushes
    siblings, active = facts.number("commit_siblings"), recorded.active or 0.0
    told = f"{per_flush:.2f} transactions a flush of {flush_ms:.2f} ms, {active:.1f} sessions active"
    wanted = flush_ms * 1000 / 2
    if flush_ms < SLOW_FLUSH_MS or per_flush >= FEW_COMMITS_PER_FLUSH or active < siblings:
        return keep(facts, name, f"{told}: nothing to gain by waiting")
    if is_near(facts.number(name), wanted):
        return keep(facts, name, told)
    return propose(
        facts,
        name,
        f"{wanted:.0f}",
        wanted,
        formula=f"half of a flush, {flush_ms:.2f} ms / 2 = {wanted:.0f} us",
        evidence=told,
        source=f"{_MANUAL} (commit_delay)",
    )


QUESTIONS = (
    checkpoint_completion_target,
    checkpoint_timeout,
    max_wal_size,
    wal_buffers,
    synchronous_commit,
    commit_delay,
)
