"""Sessions wait for a lock, or a query runs long.

When: a session has waited for another for a second, which is deadlock_timeout's default; fails at a minute. A query
    that runs for a minute warns.
Why: a lock is held to the end of a transaction, so one that is slow stops all who want the row, and their pools fill.
Remedy: the finding names who holds it and its statement, at the root of the tree. Cancel its query first; end the
    session where it is idle. lock_timeout and statement_timeout on the role bound both.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import age
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe.activity import Backend

NEEDS = ("sessions",)
WEIGHT = 3

# pghero: a long query.
LONG_QUERY_S = 60.0
# PostgreSQL looks for a deadlock after a second: from then on it is no ordinary wait. A minute is mine.
WAITED_S, LONG_WAITED_S = 1.0, 60.0


def check(subject: Subject) -> Iterator[Found]:
    sessions = {each.pid: each for each in subject.snapshot.sessions}
    waiting: dict[int, list[Backend]] = {}
    for backend in sessions.values():
        if backend.blockers and (backend.waited_s or 0.0) >= WAITED_S:
            waiting.setdefault(_root(backend, sessions), []).append(backend)
    for pid, waiters in waiting.items():
        longest = max(waiters, key=lambda each: each.waited_s or 0.0)
        waited_s = longest.waited_s or 0.0
        holder = sessions.get(pid)
        who = str(holder) if holder is not None else f"pid {pid}" if pid else "a prepared transaction"
        message = f"{who} blocks {len(waiters)} sessions, for up to {age(waited_s)}; the longest waiter is {longest}"
        is_idle = holder is not None and holder.state.startswith("idle")
        function = "pg_terminate_backend" if is_idle else "pg_cancel_backend"
        user = holder.user if holder is not None else "nobody"
        sql = (f"SELECT {function}({pid})",) if pid else ("SELECT * FROM pg_prepared_xacts",)
        outcome = Outcome.FAIL if waited_s >= LONG_WAITED_S else Outcome.WARN
        yield Found(outcome, message, f"blocked by {user}", sql, waited_s * len(waiters))
    for backend in sessions.values():
        runs_s = backend.query_age_s or 0.0
        if backend.is_client and runs_s >= LONG_QUERY_S and not backend.blockers:
            message = f"{backend}: runs for {age(runs_s)}"
            yield Found(
                Outcome.WARN, message, f"long {backend.user}", (f"SELECT pg_cancel_backend({backend.pid})",), runs_s
            )


def _root(backend: Backend, sessions: dict[int, Backend]) -> int:
    """Follow who waits for whom to one that waits for nobody; 0 is a prepared transaction."""
    seen: set[int] = set()
    pid = backend.pid
    while pid not in seen and pid in sessions and sessions[pid].blockers:
        seen.add(pid)
        pid = sessions[pid].blockers[0]
    return pid
