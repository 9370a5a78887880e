"""The server has few connections left.

When: 70 % of max_connections without the reserved ones are taken; fails at 85 %.
Why: the next one is refused, and it is the whole service's next one.
Remedy: a pooler in transaction mode before more max_connections: each backend costs memory, and snapshots cost more
    with each. `hotrow chain` adds up who may connect.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("database", "settings")
WEIGHT = 3

# pgdoctor; postgresqltuner says 70 and 90.
WARN_SHARE, FAIL_SHARE = 0.70, 0.85


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    assert snapshot.database is not None
    reserved = snapshot.number("superuser_reserved_connections") + snapshot.number("reserved_connections")
    room = snapshot.number("max_connections") - reserved
    used = snapshot.database.connections
    message = f"{used} of {room:.0f} connections are taken"
    share = used / room if room > 0 else 1.0
    if share < WARN_SHARE:
        yield Found(Outcome.OK, message)
        return
    yield Found(Outcome.FAIL if share >= FAIL_SHARE else Outcome.WARN, message, evidence=share)
