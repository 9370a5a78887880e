"""Most connections do nothing.

When: of 20 client connections or more over half are idle, or 10 have been idle for half an hour; fails over 75 %, and
    at 50.
Why: each takes memory and a slot. It is a pool that is too large, one pool for each of many processes, or a leak.
Remedy: a smaller pool or a pooler in between; under gevent, CONN_MAX_AGE 0 with a pool, since each request is a
    greenlet of its own. idle_session_timeout ends what nobody owns.
"""

from collections import Counter
from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("sessions",)
WEIGHT = 1

# pgdoctor.
MIN_CONNECTIONS = 20
WARN_SHARE, FAIL_SHARE = 0.50, 0.75
LONG_IDLE_S = 1800.0
WARN_LONG, FAIL_LONG = 10, 50


def check(subject: Subject) -> Iterator[Found]:
    clients = [each for each in subject.snapshot.sessions if each.is_client]
    idle = [each for each in clients if each.state == "idle"]
    long_idle = [each for each in idle if (each.state_age_s or 0.0) >= LONG_IDLE_S]
    share = len(idle) / len(clients) if len(clients) >= MIN_CONNECTIONS else 0.0
    message = f"{len(idle)} of {len(clients)} client connections are idle, {len(long_idle)} for half an hour or longer"
    if idle:
        (user, application), count = Counter((each.user, each.application) for each in idle).most_common(1)[0]
        message += f"; most of {user}{f' ({application})' if application else ''}, {count}"
    if share > FAIL_SHARE or len(long_idle) >= FAIL_LONG:
        yield Found(Outcome.FAIL, message, evidence=len(idle))
    elif share > WARN_SHARE or len(long_idle) >= WARN_LONG:
        yield Found(Outcome.WARN, message, evidence=len(idle))
    else:
        yield Found(Outcome.OK, message)
