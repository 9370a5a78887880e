"""An index leads to so many rows that their blocks come from disk one by one.

When: an index scan yields 10,000 rows or more and reads 1,000 blocks or more, half of what it touches, from outside
    of shared_buffers.
Why: the rows lie scattered, so each may cost a read of its own.
Remedy: CLUSTER or a BRIN index where the order of rows follows the column; a covering index (INCLUDE); otherwise
    let it scan.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual", "blocks")
CONSEQUENCE_OF = {"inefficient_index": Place.SAME}

# pgplan, rules.go.
MIN_ROWS = 10_000
MIN_READ = 1000
MIN_SHARE_READ = 0.5


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        blocks = subject.plan.own(node).blocks
        if node.type != "Index Scan" or node.rows < MIN_ROWS or blocks.read < MIN_READ or not subject.matters(node):
            continue
        if blocks.read >= MIN_SHARE_READ * blocks.touched:
            yield Found(Outcome.WARN, f"{node.rows:,.0f} rows from {blocks.read:,} blocks that were read", node)
