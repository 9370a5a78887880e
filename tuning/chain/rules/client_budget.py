"""More clients may come than PgBouncer lets in.

When: workers x connections of each x aliases through PgBouncer is over max_client_conn; the default is 100.
Why: the next client is refused with "no more connections allowed", at the busiest moment.
Remedy: a pool with a max_size in each worker, or a larger max_client_conn, with as many file descriptors for PgBouncer.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "workers", "pooler", "pooled")

# PgBouncer's manual.
DEFAULT_CLIENTS = 100


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None:
        return
    limit = int(chain.pooler.number("max_client_conn", DEFAULT_CLIENTS))
    clients = {alias.name: chain.clients(alias) for alias in chain.pooled()}
    total = sum(clients.values())
    sums = " + ".join(f"{name} {count}" for name, count in clients.items())
    if total > limit:
        yield Found(Outcome.FAIL, f"{total} clients ({sums}) against max_client_conn = {limit}")
    else:
        yield Found(Outcome.OK, f"{total} clients ({sums}) of {limit}")
