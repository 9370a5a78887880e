"""An index-only scan looks into the table all the same.

When: an index-only scan fetches a tenth of its rows from the table, 1,000 at least.
Why: blocks that are not marked all-visible have to be looked at, and VACUUM marks them.
Remedy: VACUUM the table; lower autovacuum_vacuum_scale_factor or autovacuum_vacuum_insert_scale_factor for it.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# pgexplain; pev2 colours from 40 and 90 % on. The floor is mine: fewer fetches cost less than a VACUUM.
MIN_SHARE_FETCHED = 0.10
MIN_FETCHES = 1000


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        # Unlike other counts this one is over all loops.
        fetches = node.summed("Heap Fetches")
        rows = node.rows + node.total("Rows Removed by Filter")
        is_high = node.type == "Index Only Scan" and fetches >= max(MIN_FETCHES, MIN_SHARE_FETCHED * rows)
        if is_high and subject.matters(node):
            yield Found(Outcome.WARN, f"{fetches:,.0f} fetches from the table for {rows:,.0f} rows", node)
