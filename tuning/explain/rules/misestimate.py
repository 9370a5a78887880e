"""The planner expected ten times more or fewer rows than came.

When: planned and actual rows of a loop differ by a factor of ten, the larger being 100 or more, in a plan of a
    millisecond or more; where too many were planned, by a factor of a hundred, or 10,000 rows. Rows that a LIMIT,
    an EXISTS or the other side of a join did not ask for are no error, nor are guesses at functions that were too
    high.
Why: the order and kind of every join above is chosen by these numbers.
Remedy: ANALYZE the table; raise the column's statistics target; CREATE STATISTICS for columns that depend on each
    other, and for expressions.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.estimates import factor, is_under, misestimated
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {"stale_statistics": Place.BELOW, "misestimate_source": Place.BELOW}


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    for node in misestimated(plan):
        if subject.matters(plan.root):
            word = "fewer" if is_under(node) else "more"
            came = node.rows_per_loop or 0.0
            message = (
                f"{factor(node):,.0f} times {word} rows planned ({node.plan_rows:,.0f}) than came ({came:,.0f}) a loop"
            )
            yield Found(Outcome.WARN, message, node)
