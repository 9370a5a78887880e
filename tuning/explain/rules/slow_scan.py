"""A whole table is read for a few of its rows.

When: a sequential scan's filter throws away ten rows for each that it keeps, 1,000 at least, in a tenth of the
    statement's time; fails where 95 % of more than a million rows go.
Why: every block of the table is read, however few rows are asked for, and the cost grows with the table.
Remedy: an index on the columns of the filter that narrow most, partial where a condition never changes; prove with
    EXPLAIN that it is used.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {"like_scan": Place.SAME}

# pgexplain, rules/seq_scan.go.
MIN_RATIO = 10
MIN_REMOVED = 1000
# pgplan, rules.go: from here on it is worth a word in a short statement too, and from there on it is critical.
MANY_REMOVED = 10_000
CRITICAL_SHARE = 0.95
CRITICAL_REMOVED = 1_000_000


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        removed = node.total("Rows Removed by Filter")
        if node.type != "Seq Scan" or removed < max(MIN_REMOVED, MIN_RATIO * node.rows):
            continue
        condition = node.text("Filter")
        # No index finds what a subquery decides for each row.
        if "SubPlan" in condition and " AND " not in condition:
            continue
        if subject.matters(node) or (removed >= MANY_REMOVED and subject.is_notable(node)):
            is_critical = removed >= CRITICAL_REMOVED and removed >= CRITICAL_SHARE * (removed + node.rows)
            message = f"{node.rows:,.0f} rows kept of {node.rows + removed:,.0f} read; filter {condition}"
            yield Found(Outcome.FAIL if is_critical else Outcome.WARN, message, node)
