"""A cursor is looked for on another server connection than it was opened on.

When: an alias goes through PgBouncer in transaction or statement mode, and DISABLE_SERVER_SIDE_CURSORS is False.
Why: QuerySet.iterator() opens a cursor WITH HOLD; its next FETCH may reach another server: "cursor does not exist".
Remedy: DISABLE_SERVER_SIDE_CURSORS True, or each iterator() in atomic().
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "pooler", "pooled")


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.pooled("transaction", "statement"):
        if alias.has_server_side_cursors:
            yield Found(Outcome.FAIL, "uses server-side cursors through a pooler that changes servers", alias.name)
