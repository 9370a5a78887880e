"""A wrong estimate of rows that others above inherit.

When: a node's estimate is off (misestimate), none below it is, and at least one above it is.
Why: estimates are made from those below, so an error grows on its way up; only its source can be mended.
Remedy: ANALYZE the table of this node; CREATE STATISTICS for the columns of its condition, or for its expression.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.estimates import misestimated, source_of
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {"stale_statistics": Place.BELOW}


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    off = misestimated(plan)
    by_id = {node.id for node in off}
    for node in source_of(plan, off):
        heirs = [up for up in plan.above(node) if up.id in by_id]
        if heirs and subject.matters(plan.root):
            came = node.rows_per_loop or 0.0
            message = (
                f"{node.plan_rows:,.0f} rows planned and {came:,.0f} came; {len(heirs)} nodes above inherit the error"
            )
            yield Found(Outcome.WARN, message, node)
