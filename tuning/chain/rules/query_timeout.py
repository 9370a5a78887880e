"""PgBouncer ends a query before PostgreSQL does.

When: PgBouncer's query_timeout or transaction_timeout is set and not above the role's own statement_timeout.
Why: PgBouncer closes the connection and leaves the outcome unknown, where PostgreSQL would cancel and say so (57014).
Remedy: let statement_timeout of the role strike first: PgBouncer's limits some seconds above it, or 0.
"""

from collections.abc import Iterator

from tuning.chain.durations import milliseconds
from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "pooler", "server", "pooled")


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None or chain.server is None:
        return
    for alias in chain.pooled():
        own_ms = milliseconds(chain.server.role_settings.get(alias.user, {}).get("statement_timeout", "0"))
        for name in ("query_timeout", "transaction_timeout"):
            limit_s = chain.pooler.number(name, 0)
            if limit_s > 0 and (own_ms == 0 or limit_s * 1000 <= own_ms):
                behind = f"statement_timeout of {own_ms:g} ms" if own_ms else "no statement_timeout"
                yield Found(Outcome.WARN, f"{name} = {limit_s:g} s stands before {behind}", alias.name)
