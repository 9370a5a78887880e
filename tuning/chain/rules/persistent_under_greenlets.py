"""A kept connection is never found again, and one more leaks with each request.

When: CONN_MAX_AGE is not 0, there is no pool, and the workers are greenlets or tasks (gevent, eventlet, uvicorn).
Why: a connection belongs to its greenlet; each request is a new one, opens its own and leaves it open until it is old.
Remedy: OPTIONS["pool"] with CONN_MAX_AGE 0; or gthread workers, which keep their threads.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "workers")


def check(chain: Chain) -> Iterator[Found]:
    if chain.workers is None or not (chain.workers.is_greenlets or chain.workers.is_asgi):
        return
    for alias in chain.aliases:
        # What the project's own code bounds is held by it and not by a greenlet.
        if alias.keeps and alias.connections is None:
            age = "for ever" if alias.conn_max_age_s is None else f"for {alias.conn_max_age_s:g} s"
            message = f"keeps connections {age} under {chain.workers.worker_class}, where no request finds them again"
            yield Found(Outcome.FAIL, message, alias.name)
