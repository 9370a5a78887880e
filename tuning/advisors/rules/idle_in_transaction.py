"""A session has a transaction open and does nothing.

When: a session is idle in a transaction for half of idle_in_transaction_session_timeout, or of five minutes where that
    is off; fails at all of it.
Why: it holds its locks, its slot of the pool, and what VACUUM would remove.
Remedy: no calls to others inside of atomic(); set idle_in_transaction_session_timeout on the service's role. To end the
    session is in the finding.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import age
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("sessions", "settings")
WEIGHT = 3

# pgdoctor: shares of the timeout, and five minutes where there is none.
WARN_SHARE = 0.5
WITHOUT_TIMEOUT_S = 300.0


def check(subject: Subject) -> Iterator[Found]:
    timeout_s = subject.snapshot.number("idle_in_transaction_session_timeout") / 1000
    limit_s = timeout_s or WITHOUT_TIMEOUT_S
    off = "" if timeout_s else ", and idle_in_transaction_session_timeout is off"
    for backend in subject.snapshot.sessions:
        idle_s = backend.state_age_s or 0.0
        if not backend.state.startswith("idle in transaction") or idle_s < WARN_SHARE * limit_s:
            continue
        outcome = Outcome.FAIL if idle_s >= limit_s else Outcome.WARN
        message = f"{backend}: for {age(idle_s)}{off}"
        sql = (f"SELECT pg_terminate_backend({backend.pid})",)
        yield Found(outcome, message, f"user {backend.user}", sql, idle_s)
