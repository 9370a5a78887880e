"""The queue for a pool's connections has no end.

When: a worker takes more requests at a time than its pool has connections, and max_waiting is 0.
Why: all of them queue and time out together; nobody is refused early, and nobody is served in time.
Remedy: OPTIONS["pool"]["max_waiting"] of a few times max_size, answered with 503; fewer worker_connections or threads.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "workers")


def check(chain: Chain) -> Iterator[Found]:
    if chain.workers is None:
        return
    for alias in chain.aliases:
        if alias.pool is None or alias.pool.max_waiting or chain.workers.concurrency <= alias.pool.max_size:
            continue
        message = f"lets {chain.workers.concurrency} requests of a worker queue for {alias.pool.max_size} connections"
        yield Found(Outcome.WARN, message, alias.name)
