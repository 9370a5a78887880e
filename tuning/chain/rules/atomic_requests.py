"""A transaction, and a server of the pooler with it, lasts as long as its request.

When: ATOMIC_REQUESTS is on.
Why: locks and the server connection are held while the page is rendered; and a statement that failed for a reason that
passes (40001, 55P03) cannot be tried again inside.
Remedy: ATOMIC_REQUESTS False, and atomic() around the statements that belong together.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if alias.is_atomic:
            yield Found(Outcome.WARN, "holds a transaction for the length of each request", alias.name)
