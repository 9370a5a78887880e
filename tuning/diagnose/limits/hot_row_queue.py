"""Requests wait for each other's row locks.

When: sessions waited for locks for a fifth of a request's time or more, those that held them were seen, and no one of
them did for long.
Why: the writers of one row come one after another, each as long as its transaction from the lock to the end of the
commit. More connections make that queue longer and not faster.
Remedy: shorten the transaction behind the lock (one function instead of statements from the client), take the lock
last, or put the writes of a row into batches (the strategy batched).
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.evidence.sessions import LOCK
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import MOST, outcome
from tuning.diagnose.limits.blocking_session import LONG_S
from tuning.diagnose.quantities import number, share
from tuning.diagnose.run import Run
from tuning.diagnose.split import part_of_held

NEEDS = ("sessions",)


def check(run: Run) -> Iterator[Found]:
    sessions = run.seen.sessions
    assert sessions is not None
    waiting = sessions.waiting(LOCK)
    part = part_of_held(run, waiting)
    figures = {"share": part, "waiting": waiting, "blockers": float(len(sessions.blockers))}
    if not waiting:
        yield Found(Outcome.OK, f"no session waited for a lock in {sessions.samples} samples", figures=figures)
        return
    if not sessions.blockers:
        yield Found(Outcome.SKIP, "sessions waited for locks, and nobody was seen who held one")
        return
    first = sessions.blockers[0]
    if first.longest_xact_s >= LONG_S and first.waiting >= MOST * waiting:
        yield Found(Outcome.OK, "one session held the lock: see blocking-session", figures=figures)
        return
    message = (
        f"{number(waiting)} sessions waited for row locks on average, {share(part)} of a request's time, held in turn "
        f"by {len(sessions.blockers)} sessions; most by {first.told}"
    )
    yield Found(outcome(part), message, "blockers seen with pg_blocking_pids", figures)
