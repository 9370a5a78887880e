"""Migrations have no session of their own.

When: every alias goes through PgBouncer in transaction mode, and PgBouncer has no database in session mode either.
Why: SET lock_timeout, advisory locks and CREATE INDEX CONCURRENTLY with its looks at progress need one session.
Remedy: run migrate with a connection past PgBouncer, as the kit's own operations demand; or,
for others, through a database of PgBouncer with pool_mode=session.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "pooler", "pooled")


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None or {each.name for each in chain.aliases} - chain.through_pooler:
        return
    if not chain.pooled("session") and all(
        chain.pooler.mode(each.name) != "session" for each in chain.pooler.databases
    ):
        yield Found(Outcome.WARN, "no alias, and no database of PgBouncer, keeps a session for a migration")
