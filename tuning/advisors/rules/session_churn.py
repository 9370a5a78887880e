"""Sessions are short, or are lost.

When: 100 sessions or more lasted under a minute on average, or over 1 % were abandoned; fails over 5 % abandoned. Where
    70 % of max_connections are taken, also under 20 % of their time active.
Why: a connection costs a process and a login, several milliseconds of them for SCRAM; an abandoned one is a client that
    died or a network that cut it. Idle sessions matter when there is no room.
Remedy: a pool in the process or PgBouncer; for lost ones, keepalives (tcp_keepalives_idle) and what ends the workers.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.rules.connection_saturation import WARN_SHARE as FULL_SHARE
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("database", "settings")
WEIGHT = 2

# postgresqltuner: the average age of a session. The number of them is mine.
SHORT_S, MIN_SESSIONS = 60.0, 100
# pgdoctor.
WARN_ABANDONED, FAIL_ABANDONED = 0.01, 0.05
MIN_ACTIVE = 0.20


def check(subject: Subject) -> Iterator[Found]:
    database = subject.snapshot.database
    assert database is not None
    if database.sessions < MIN_SESSIONS:
        yield Found(Outcome.OK, f"{database.sessions:,} sessions so far")
        return
    abandoned = database.sessions_abandoned / database.sessions
    # The server adds a session's time as it goes, so those that are open count too.
    average_s = database.session_ms / 1000 / database.sessions
    active = database.active_ms / database.session_ms if database.session_ms else 1.0
    is_full = database.connections >= FULL_SHARE * subject.snapshot.number("max_connections", 100.0)
    message = (
        f"{database.sessions:,} sessions of {average_s:,.1f} s on average, {active:.0%} of it active,"
        f" {abandoned:.1%} abandoned"
    )
    if abandoned > FAIL_ABANDONED:
        yield Found(Outcome.FAIL, message, evidence=abandoned)
    elif abandoned > WARN_ABANDONED or average_s < SHORT_S or (is_full and active < MIN_ACTIVE):
        yield Found(Outcome.WARN, message, evidence=abandoned)
    else:
        yield Found(Outcome.OK, message)
