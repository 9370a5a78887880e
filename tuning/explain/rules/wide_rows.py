"""Many wide rows are carried through the plan.

When: rows of 2,000 bytes or more are handed on 10,000 times or more.
Why: all of it is copied, sorted, hashed or sent, whether the caller looks at it or not.
Remedy: name the columns that are used: only() or defer() in Django; fetch the wide ones for the rows that are shown.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# pgplan, rules.go.
MIN_WIDTH_BYTES = 2000
MIN_ROWS = 10_000


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        if node.plan_width >= MIN_WIDTH_BYTES and node.rows >= MIN_ROWS and subject.matters(node):
            yield Found(Outcome.WARN, f"{node.rows:,.0f} rows of {node.plan_width:,} bytes each", node)
            # What is below carries the same rows.
            return
