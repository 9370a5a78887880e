"""A pool and CONN_MAX_AGE exclude each other.

When: an alias has OPTIONS["pool"] and a CONN_MAX_AGE that is not 0.
Why: Django raises ImproperlyConfigured at the first query, so every request that needs the database fails.
Remedy: CONN_MAX_AGE 0 beside a pool: the pool keeps the connections.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if alias.pool is not None and alias.conn_max_age_s != 0:
            yield Found(Outcome.FAIL, f"has a pool and CONN_MAX_AGE {alias.conn_max_age_s}", alias.name)
