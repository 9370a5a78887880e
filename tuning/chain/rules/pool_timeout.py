"""A request waits longer for a connection than its client waits for it.

When: the pool's timeout is over 10 s; psycopg_pool's default is 30.
Why: in an outage, or under too much load, requests pile up for so long and are then answered for nobody, often as 500.
Remedy: OPTIONS["pool"]["timeout"] of 1 to 2 s, and 503 with Retry-After for an OperationalError caused by PoolTimeout.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)

# Ours: what a person waits for a page (Nielsen, Response Times: 10 s is the limit of attention).
MAX_TIMEOUT_S = 10.0


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if alias.pool is not None and alias.pool.timeout_s > MAX_TIMEOUT_S:
            yield Found(Outcome.WARN, f"waits up to {alias.pool.timeout_s:g} s for a connection", alias.name)
