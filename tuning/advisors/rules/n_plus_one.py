"""Requests ask the same in a loop.

When: captured requests of a route send a statement of one shape three times or more; ranked by the time of the database
    that goes into it, and by how long it holds connections.
Why: the count does not tell what it costs: thirty of 0.1 ms matter less than four of 40 ms, and between them the
    connection is held and does nothing.
Remedy: select_related or prefetch_related at the line that is named; one statement with IN; bulk_create for writes.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import shortened
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("captures",)
WEIGHT = 2


def check(subject: Subject) -> Iterator[Found]:
    for loop in subject.loops or ():
        calls = (
            f"{loop.calls / loop.requests:.1f} calls a request, up to {loop.most_calls}, in {loop.requests:,} requests"
        )
        cost = f"{loop.database_ms:,.1f} ms of the database, connections held for {loop.pool_ms / 1000:,.3f} s"
        where = loop.caller or "no line was captured"
        message = f"{loop.route or 'no route'}: {calls}; {cost}; {where}: {shortened(loop.sql)}"
        about = f"{loop.route}/{loop.fingerprint}"
        yield Found(Outcome.WARN, message, about, (), loop.database_ms + loop.pool_ms)
