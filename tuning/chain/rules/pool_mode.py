"""PgBouncer's pool mode does not fit a Django project.

When: an alias gets pool_mode statement; or session while clients outnumber the pool.
Why: in statement mode a transaction is refused. In session mode each client keeps a server for as long as it is
connected, so those above the pool's size wait until another leaves, and pooled clients never do.
Remedy: pool_mode = transaction, and session for an alias of migrations alone.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "pooler", "pooled")

# PgBouncer's default_pool_size, where it is not set.
POOL_SIZE = 20


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.pooled("statement"):
        yield Found(Outcome.FAIL, f"database {alias.database} is in statement mode: no transaction runs", alias.name)
    if chain.pooler is None or chain.workers is None:
        return
    for alias in chain.pooled("session"):
        found = chain.pooler.database(alias.database)
        own = found.pool_size if found is not None and found.pool_size is not None else None
        size = own if own is not None else int(chain.pooler.number("default_pool_size", POOL_SIZE))
        if chain.clients(alias) > size:
            message = f"{chain.clients(alias)} clients in session mode share {size} servers: the others wait"
            yield Found(Outcome.FAIL, message, alias.name)
