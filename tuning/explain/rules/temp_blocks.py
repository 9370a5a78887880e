"""A node keeps its rows in temporary files.

When: a node reads and writes 256 temporary blocks (2 MB) or more by itself.
Why: a CTE, a window or a kept subquery that does not fit into work_mem goes to disk.
Remedy: fewer rows or columns into it (filter before, or let the CTE be inlined), or more work_mem for this statement.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual", "blocks")
CONSEQUENCE_OF = {"sort_spill": Place.NEAR, "hash_spill": Place.NEAR, "aggregate_spill": Place.NEAR}

# pgexplain, rule high_temp_block_io.
MIN_BLOCKS = 256


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        blocks = subject.plan.own(node).blocks.temp
        if blocks >= MIN_BLOCKS:
            yield Found(Outcome.WARN, f"{blocks:,} temporary blocks read and written", node)
