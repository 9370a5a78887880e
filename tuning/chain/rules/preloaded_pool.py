"""A pool may be opened in the master and used by all workers.

When: preload_app, and an alias with a pool or with kept connections.
Why: a query at import or in AppConfig.ready opens it before the fork: workers share sockets and have no pool threads.
Remedy: preload_app False; or no query before the fork, and connection.close() and close_pool() in pre_fork.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "workers")


def check(chain: Chain) -> Iterator[Found]:
    if chain.workers is None or not chain.workers.is_preloaded:
        return
    for alias in chain.aliases:
        if alias.pool is not None or alias.keeps:
            yield Found(
                Outcome.WARN, "is there before the fork: one query at import is shared by all workers", alias.name
            )
