"""More connections may be opened than PostgreSQL has room for.

When: PgBouncer's pools with their reserves, a pool for each user of each database, and the aliases that connect
directly come to more than max_connections without those reserved for superusers.
Why: the next one is refused with 53300, at the busiest moment, and so is the one who comes to look.
Remedy: smaller pools: (2 x cores) + 1 is where to start; max_db_connections bounds a database whatever its users.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain, Pooler, PoolerDatabase

NEEDS = ("project", "workers", "server")

# PgBouncer's default_pool_size, where it is not set.
POOL_SIZE = 20


def check(chain: Chain) -> Iterator[Found]:
    if chain.server is None:
        return
    parts: dict[str, int] = {}
    if chain.pooler is not None:
        for database in chain.pooler.databases:
            if chain.leads_to_server(database.host, database.port):
                parts[f"PgBouncer's {database.name}"] = servers(chain, chain.pooler, database)
    for alias in chain.on_server():
        if alias.name not in chain.through_pooler:
            parts[f"alias {alias.name}"] = chain.clients(alias)
    room = chain.server.max_connections - chain.server.reserved_connections
    total = sum(parts.values())
    sums = " + ".join(f"{name} {count}" for name, count in parts.items())
    if total > room:
        yield Found(Outcome.FAIL, f"{total} connections ({sums}) against {room} of PostgreSQL")
    else:
        yield Found(Outcome.OK, f"{total} connections ({sums}) of {room}")


def servers(chain: Chain, pooler: Pooler, database: PoolerDatabase) -> int:
    """What a database of PgBouncer may open: a pool for each user of the project that connects, one at least."""
    users = {each.user for each in chain.pooled() if pooler.database(each.database) == database}
    size = pooler.number("default_pool_size", POOL_SIZE) if database.pool_size is None else database.pool_size
    reserve = pooler.number("reserve_pool_size", 0) if database.reserve_size is None else database.reserve_size
    most = database.max_connections or int(pooler.number("max_db_connections", 0))
    wanted = int(size + reserve) * max(1, len(users))
    return min(wanted, most) if most else wanted
