"""A whole table is read and sorted for its first few rows.

When: a top-N sort takes 1,000 rows or more straight from a sequential scan, in a tenth of the statement's time.
Why: an index in that order gives the first rows without reading the others.
Remedy: an index on the sort key, in its direction, with the columns of an equality condition first.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {"slow_scan": Place.BELOW, "like_scan": Place.BELOW}

# pgexplain.
MIN_INPUT = 1000
_PASSING = ("Result", "Subquery Scan", "Gather", "Gather Merge")


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        methods = [node.text("Sort Method"), *(str(worker.get("Sort Method", "")) for worker in node.workers)]
        if "top-N heapsort" not in methods or not node.children:
            continue
        scan = node.children[0]
        while scan.type in _PASSING and scan.children:
            scan = scan.children[0]
        keys = node.properties.get("Sort Key")
        keys = [str(key) for key in keys] if isinstance(keys, list) else []
        # No index is in an order that is drawn anew or computed from the other rows.
        is_fixed = not any("random()" in key or "SubPlan" in key or "OVER" in key for key in keys)
        if scan.type == "Seq Scan" and scan.rows >= MIN_INPUT and is_fixed and subject.matters(node):
            yield Found(Outcome.WARN, f"{scan.rows:,.0f} rows read and sorted by {', '.join(keys)}", node)
