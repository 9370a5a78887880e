"""The driver cannot do what the settings ask of it.

When: an alias has a pool under psycopg 2; or gevent's workers use psycopg 2, or psycopg older than 3.1.14.
Why: Django's pool is of psycopg 3. An older driver blocks the hub of gevent: one query stops every other request.
Remedy: psycopg 3.2 or newer; psycopg 2 under gevent needs psycogreen.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)

# psycopg's manual, Concurrent operations: gevent is supported from this version on.
COOPERATIVE = (3, 1, 14)


def check(chain: Chain) -> Iterator[Found]:
    if chain.project is None:
        return
    driver = chain.project.psycopg
    name = "psycopg " + ".".join(str(part) for part in driver)
    for alias in chain.aliases:
        if alias.pool is not None and driver < (3,):
            yield Found(Outcome.FAIL, f"has a pool, which {name} does not know", alias.name)
    if chain.workers is not None and chain.workers.is_greenlets and driver < COOPERATIVE:
        outcome = Outcome.FAIL if driver >= (3,) else Outcome.WARN
        yield Found(outcome, f"{name} blocks every greenlet of a worker for the length of a query")
