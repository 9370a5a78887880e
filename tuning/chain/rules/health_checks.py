"""A connection that died is handed to a request.

When: connections outlive a request, in a pool or by CONN_MAX_AGE, and CONN_HEALTH_CHECKS is off.
Why: after a restart of the server or the pooler each of them fails one request. With a pool nothing else ever looks.
Remedy: CONN_HEALTH_CHECKS True: an empty round trip for each request.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if alias.has_health_checks or alias.connections is not None:
            continue
        if alias.pool is not None:
            yield Found(Outcome.FAIL, "hands out connections of its pool unchecked", alias.name)
        elif alias.keeps:
            yield Found(Outcome.WARN, "uses kept connections unchecked", alias.name)
