"""PgBouncer lets a client wait for a server longer than anybody waits for an answer.

When: query_wait_timeout is over 10 s, or off; the default is 120.
Why: when all servers are busy or PostgreSQL is away, requests stand in that queue until their clients have long gone.
Remedy: query_wait_timeout = 5; PgBouncer then answers 08P01, which becomes 503 with Retry-After.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("pooler",)

# PgBouncer's manual.
DEFAULT_S = 120
# Ours: as pool_timeout.
MAX_WAIT_S = 10


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None:
        return
    wait_s = chain.pooler.number("query_wait_timeout", DEFAULT_S)
    if wait_s <= 0:
        yield Found(Outcome.WARN, "query_wait_timeout is off: a client waits for a server for ever")
    elif wait_s > MAX_WAIT_S:
        yield Found(Outcome.WARN, f"query_wait_timeout = {wait_s:g}: a client waits so many seconds for a server")
