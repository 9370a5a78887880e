"""Something old keeps dead rows from being removed.

When: a session's transaction that holds a snapshot, or a prepared transaction, is older than an hour, or a slot or a
    replica holds back a million transactions; fails at six hours, and at ten million.
Why: VACUUM removes nothing that somebody could still see, in any table.
Remedy: end the session that is named, decide on the prepared transaction, drop the slot that nobody reads; on a
    replica, end its long query. idle_in_transaction_session_timeout and transaction_timeout (17) keep it from
    coming back.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import age
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("sessions", "replication")
WEIGHT = 3

# pganalyze speaks of hours; the numbers are mine.
WARN_S, FAIL_S = 3600.0, 6 * 3600.0
# Mine: an hour and ten of 300 writes a second.
WARN_XIDS, FAIL_XIDS = 1_000_000, 10_000_000


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    for backend in snapshot.sessions:
        held_s = backend.transaction_age_s or 0.0
        if backend.xmin_age is not None and held_s >= WARN_S and backend.kind != "walsender":
            outcome = Outcome.FAIL if held_s >= FAIL_S else Outcome.WARN
            message = f"{backend}: has held a snapshot for {age(held_s)}, {backend.xmin_age:,} transactions"
            yield Found(
                outcome, message, f"user {backend.user}", (f"SELECT pg_terminate_backend({backend.pid})",), held_s
            )
    for prepared in snapshot.replication.prepared:
        if prepared.age_s >= WARN_S:
            outcome = Outcome.FAIL if prepared.age_s >= FAIL_S else Outcome.WARN
            message = f"prepared transaction {prepared.name} of {prepared.user} is {age(prepared.age_s)} old"
            name = prepared.name.replace("'", "''")
            yield Found(outcome, message, f"prepared {prepared.name}", (f"ROLLBACK PREPARED '{name}'",), prepared.age_s)
    for slot in snapshot.replication.slots:
        xids = max(slot.xmin_age or 0, slot.catalog_xmin_age or 0)
        if xids >= WARN_XIDS:
            outcome = Outcome.FAIL if xids >= FAIL_XIDS else Outcome.WARN
            message = (
                f"slot {slot.name} ({'active' if slot.is_active else 'nobody reads it'}) holds {xids:,} transactions"
            )
            name = slot.name.replace("'", "''")
            sql = () if slot.is_active else (f"SELECT pg_drop_replication_slot('{name}')",)
            yield Found(outcome, message, f"slot {slot.name}", sql, xids)
    for replica in snapshot.replication.replicas:
        xids = replica.xmin_age or 0
        if xids >= WARN_XIDS:
            outcome = Outcome.FAIL if xids >= FAIL_XIDS else Outcome.WARN
            message = f"replica {replica.name} holds {xids:,} transactions for its queries (hot_standby_feedback)"
            yield Found(outcome, message, f"replica {replica.name}", (), xids)
