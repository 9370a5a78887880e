"""One session held a lock for long, and others waited for it.

When: sessions waited for a lock, most of them for one session whose transaction was open for a second or more, and
the wait is a fifth of a request's time or more.
Why: a lock is kept until its transaction ends. A session that is idle in a transaction, or works on something else,
keeps everybody who wants the same row waiting for as long as it likes, with all they hold themselves.
Remedy: end the transaction sooner; `hotrow psql -c "SELECT pg_terminate_backend(PID)"` ends it now. Set
idle_in_transaction_session_timeout and lock_timeout on the roles, so that it ends by itself.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.evidence.sessions import LOCK
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import MOST, outcome
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run
from tuning.diagnose.split import part_of_held

NEEDS = ("sessions",)

# Ours: a request's own transaction is over long before, and lock_timeout of the kit's roles is twice that.
LONG_S = 1.0


def check(run: Run) -> Iterator[Found]:
    sessions = run.seen.sessions
    assert sessions is not None
    waiting = sessions.waiting(LOCK)
    if not waiting:
        yield Found(Outcome.OK, f"no session waited for a lock in {sessions.samples} samples", figures={"share": 0.0})
        return
    if not sessions.blockers:
        yield Found(Outcome.SKIP, "sessions waited for locks, and nobody was seen who held one")
        return
    first = sessions.blockers[0]
    part = part_of_held(run, waiting) * first.waiting / sum(each.waiting for each in sessions.blockers)
    figures = {"share": part, "waiting": waiting, "pid": float(first.pid), "longest_xact_s": first.longest_xact_s}
    if first.longest_xact_s < LONG_S or first.waiting < MOST * waiting:
        yield Found(
            Outcome.OK, "sessions waited for locks, but no one session held most of them for long", figures=figures
        )
        return
    message = (
        f"{number(first.waiting)} sessions on average, {share(part)} of a request's time, waited for a lock of one "
        f"session, in a transaction of {time(first.longest_xact_s)}: {first.told}"
    )
    yield Found(outcome(part), message, "blockers seen with pg_blocking_pids", figures)
