"""A join forms pairs that its filter then throws away.

When: a join filter removes 10,000 pairs or more, and more than the join keeps; fails at a million.
Why: the condition is not one that the join can look up, so every pair is formed and tested.
Remedy: make it a condition of the join (an equality, without a function or cast around the column), and index it.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {"stale_statistics": Place.UNDER, "misestimate_source": Place.UNDER}

# pgplan, rules.go.
MIN_REMOVED = 10_000
CRITICAL_REMOVED = 1_000_000


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        removed = node.total("Rows Removed by Join Filter")
        if removed >= max(MIN_REMOVED, node.rows) and subject.matters(node):
            message = f"{removed:,.0f} pairs removed for {node.rows:,.0f} that are kept; {node.text('Join Filter')}"
            yield Found(Outcome.FAIL if removed >= CRITICAL_REMOVED else Outcome.WARN, message, node)
