"""A bitmap of rows does not fit into memory and becomes one of blocks.

When: half of a bitmap scan's blocks are lossy; fails at 90 %.
Why: all rows of a lossy block are looked at again, since the bitmap no longer says which were meant.
Remedy: more work_mem for this statement, or an index that finds fewer rows.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# pgplan, rules.go.
MIN_LOSSY = 0.5
CRITICAL_LOSSY = 0.9


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        exact, lossy = node.summed("Exact Heap Blocks"), node.summed("Lossy Heap Blocks")
        if node.was_executed and lossy and lossy >= MIN_LOSSY * (exact + lossy):
            share = lossy / (exact + lossy)
            removed = node.total("Rows Removed by Index Recheck")
            message = f"{share:.0%} of {exact + lossy:,.0f} blocks are lossy; {removed:,.0f} rows looked at in vain"
            yield Found(Outcome.FAIL if share >= CRITICAL_LOSSY else Outcome.WARN, message, node)
