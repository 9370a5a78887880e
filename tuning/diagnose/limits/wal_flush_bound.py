"""Commits wait for the write-ahead log to reach the disk.

When: sessions were in the flush of the log, or waited for the one that flushes, for a fifth of a request's time or
more.
Why: a commit is durable when its log is on the disk, so each transaction takes one flush or waits for another's. How
many there are in a second is a matter of the disk; processors and memory do not change it.
Remedy: more work in one transaction (batches), fewer transactions by request, a disk with a protected write cache;
synchronous_commit = off only for what may be lost. Look at commit_delay: it makes each flush wait on purpose.
"""

from collections.abc import Iterator

from tuning.diagnose.findings import Found
from tuning.diagnose.limits import outcome
from tuning.diagnose.quantities import number, share
from tuning.diagnose.run import Run
from tuning.diagnose.split import part_of_held

NEEDS = ("sessions",)


def check(run: Run) -> Iterator[Found]:
    sessions = run.seen.sessions
    assert sessions is not None
    part = part_of_held(run, sessions.wal_flush)
    figures = {"share": part, "flushing": sessions.wal_flush, "active": sessions.active}
    message = (
        f"{number(sessions.wal_flush)} of {number(sessions.active)} active sessions were in a flush of the write-ahead "
        f"log or waited for one, {share(part)} of a request's time"
    )
    yield Found(outcome(part), message, "wait events of pg_stat_activity", figures)
