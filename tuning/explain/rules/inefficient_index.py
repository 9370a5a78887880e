"""An index finds many rows that the filter then throws away.

When: an index scan's filter removes half of what the index found (for a bitmap scan ten rows for each that is
    kept), 1,000 rows at least and ten in each loop; fails at 95 % of more than a million.
Why: each of those rows was fetched from the table to be looked at and dropped.
Remedy: an index that has the filter's columns too, after those of the condition; or a partial one where the filter
    never changes.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.node import INDEX_SCANS
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# pgplan, rules.go; the million is its bound for sequential scans.
MIN_SHARE_REMOVED = 0.5
CRITICAL_SHARE = 0.95
CRITICAL_REMOVED = 1_000_000
# pgexplain, rules/seq_scan.go, where it is 10:1 and 1,000 rows.
MIN_REMOVED = 1000
BITMAP_RATIO = 10
# Mine: fewer in a loop mostly lie in blocks that are read anyway.
MIN_REMOVED_PER_LOOP = 10
# pgplan: from here on it is worth a word in a short statement too.
MANY_REMOVED = 10_000


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        removed = node.total("Rows Removed by Filter")
        if node.type not in INDEX_SCANS and node.type != "Bitmap Heap Scan":
            continue
        if removed < MIN_REMOVED or node.number("Rows Removed by Filter") < MIN_REMOVED_PER_LOOP:
            continue
        share = removed / (removed + node.rows)
        least = MIN_SHARE_REMOVED if node.type in INDEX_SCANS else BITMAP_RATIO / (BITMAP_RATIO + 1)
        if share >= least and (subject.matters(node) or (removed >= MANY_REMOVED and subject.is_notable(node))):
            is_critical = share >= CRITICAL_SHARE and removed >= CRITICAL_REMOVED
            message = f"{share:.0%} of {removed + node.rows:,.0f} rows found are removed by {node.text('Filter')}"
            yield Found(Outcome.FAIL if is_critical else Outcome.WARN, message, node)
