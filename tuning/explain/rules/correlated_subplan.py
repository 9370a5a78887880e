"""A subquery runs anew for each row.

When: a SubPlan runs 1,000 times or more and takes a tenth of the statement's time; fails at 10,000 times and half a
    second.
Why: it is a loop that the planner cannot turn into another kind of join.
Remedy: a join with GROUP BY or a LATERAL one; in Django an aggregate with a filter, or prefetch_related, in place
    of Subquery; an index on the column that the subquery is correlated by, where it stays.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# pgplan, rules.go, with its bound of half a second for loops.
MIN_LOOPS = 1000
CRITICAL_LOOPS = 10_000
CRITICAL_MS = 500.0


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    for node in plan.nodes:
        if node.relationship != "SubPlan" or (node.loops or 0) < MIN_LOOPS or not subject.matters(node):
            continue
        is_critical = (node.loops or 0) >= CRITICAL_LOOPS and node.wall_ms >= CRITICAL_MS
        took = f", {node.wall_ms:,.0f} ms in all" if plan.has_timing else ""
        message = f"{node.text('Subplan Name') or 'a subquery'} is done {node.loops:,} times{took}"
        yield Found(Outcome.FAIL if is_critical else Outcome.WARN, message, node)
