"""Rows are made and thrown away to reach a page.

When: a LIMIT with OFFSET skips 1,000 rows or more, ten for each that it gives.
Why: every page costs as much as all pages before it.
Remedy: keyset pagination: WHERE (sort key, id) > (last seen), with an index on the sort key and the id.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# Mine, after pgexplain's bound for rows read in vain (rules/seq_scan.go); pganalyze names no number.
MIN_SKIPPED = 1000
MIN_RATIO = 10


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        if node.type != "Limit" or not node.was_executed or not node.children:
            continue
        skipped = node.children[0].rows - node.rows
        if skipped >= max(MIN_SKIPPED, MIN_RATIO * node.rows) and subject.matters(node):
            yield Found(Outcome.WARN, f"{skipped:,.0f} rows skipped for {node.rows:,.0f}", node)
