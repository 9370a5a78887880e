"""PgBouncer waits long before it tries a server again.

When: server_login_retry is over 5 s; the default is 15.
Why: after PostgreSQL is back, every request still fails until that time is over.
Remedy: server_login_retry = 1.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("pooler",)

# PgBouncer's manual.
DEFAULT_S = 15
# Ours: what the kit promises for a recovery.
MAX_WAIT_S = 5


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None:
        return
    wait_s = chain.pooler.number("server_login_retry", DEFAULT_S)
    if wait_s > MAX_WAIT_S:
        yield Found(Outcome.WARN, f"server_login_retry = {wait_s:g}: so long an outage outlives its cause")
