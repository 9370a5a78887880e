"""A query is sent after each transaction to reset what no transaction keeps.

When: server_reset_query_always is 1, and an alias is in transaction mode.
Why: it costs a round trip for each transaction, and DISCARD ALL throws prepared statements away. What a client sets
for its session still reaches other clients in between.
Remedy: server_reset_query_always = 0, and no session state: SET LOCAL, pg_advisory_xact_lock, no LISTEN.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("pooler", "pooled")

OFF = ("0", "no", "off", "false")


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None or chain.pooler.setting("server_reset_query_always", "0").lower() in OFF:
        return
    for alias in chain.pooled("transaction"):
        yield Found(Outcome.WARN, "has its session reset after each transaction", alias.name)
