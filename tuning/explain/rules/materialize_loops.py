"""Kept rows are gone through again and again.

When: a Materialize node runs 100 times or more and hands out 100,000 rows; fails at 10,000 times and a million
    rows.
Why: each row of the other side is compared with all of them.
Remedy: an index on the join column of the inner side, or a condition that a hash join can use; mend the estimate
    that made the other side look small.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {
    "stale_statistics": Place.BESIDE,
    "misestimate_source": Place.BESIDE,
    "misestimate": Place.BESIDE,
    "join_filter": Place.PARENT,
}

# pgplan, rules.go: loops.
MIN_LOOPS = 100
CRITICAL_LOOPS = 10_000
# Mine: a few rows kept for many loops are what the node is for; pgplan's bound for sequential scans is the upper one.
MIN_ROWS = 100_000
CRITICAL_ROWS = 1_000_000


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        loops = node.loops or 0
        parent = subject.plan.parent(node)
        if node.type != "Materialize" or loops < MIN_LOOPS or node.rows < MIN_ROWS or parent is None:
            continue
        # Pairs that the join keeps are its result, and no waste.
        if subject.matters(parent) and parent.rows * 2 <= node.rows:
            is_critical = loops >= CRITICAL_LOOPS and node.rows >= CRITICAL_ROWS
            message = f"gone through {loops:,} times, {node.rows:,.0f} rows in all"
            yield Found(Outcome.FAIL if is_critical else Outcome.WARN, message, node)
