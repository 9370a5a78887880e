"""Requests wait for a connection of their own process's pool.

When: the wait for a connection is a fifth of a request's time in the worker or more.
Why: a process works on as many requests with the database as its pool has connections. Where the database is idle
meanwhile, the pool is the limit; where it is busy, a larger pool moves the queue into the database.
Remedy: raise HOTROW_POOL_SIZE as far as `hotrow chain` allows, and hold no connection while the request does something
else; look at the database first.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import outcome
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run

NEEDS = ("service",)


def check(run: Run) -> Iterator[Found]:
    service = run.seen.service
    assert service is not None
    if service.pool_wait_s is None or not service.count:
        yield Found(Outcome.SKIP, "the service's metrics tell of no pool: it has none, or nothing was asked")
        return
    each_s = service.pool_wait_s / service.count
    part = min(each_s / service.mean_s, 1.0) if service.mean_s else 0.0
    queue = service.pool_wait_s / service.seconds
    figures = {"share": part, "wait_s": each_s, "queue": queue, "connections": service.pool_size}
    message = (
        f"a request waited {time(each_s)} for one of {number(service.pool_size)} connections of the service's pools, "
        f"{share(part)} of its time in the worker, {number(queue)} at a time"
    )
    if run.seen.sessions is not None:
        figures["active"] = run.seen.sessions.active
        message += f"; {number(run.seen.sessions.active)} sessions of the database were active"
    yield Found(outcome(part), message, laws.LITTLE, figures)
