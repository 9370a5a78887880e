"""A whole table is read for a join that wants a few of its rows.

When: a hash or merge join reads 10,000 rows or more from a sequential scan, the other side has a tenth of them at
    most, and the join keeps a tenth of them at most.
Why: the other side names the rows that are wanted; with an index on the join key they would be fetched one by one.
Remedy: an index on this table's column of the join condition; ANALYZE where the other side was expected to be
    larger.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.node import Node
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")
CONSEQUENCE_OF = {"slow_scan": Place.SAME, "like_scan": Place.SAME}

# pgplan, rules.go: rows of the scan. The ratio is the one of slow-scan (pgexplain, rules/seq_scan.go).
MIN_ROWS = 10_000
MIN_RATIO = 10
# What may stand between a join and the scan that feeds it.
_PASSING = ("Hash", "Sort", "Gather", "Gather Merge", "Materialize")
_CONDITIONS = {"Hash Join": "Hash Cond", "Merge Join": "Merge Cond"}


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for join in subject.plan.nodes:
        if join.type not in _CONDITIONS or len(join.children) < 2 or not subject.matters(join):
            continue
        for side, other in ((join.children[0], join.children[1]), (join.children[1], join.children[0])):
            scan = _source(side)
            if scan.type != "Seq Scan" or scan.rows < MIN_ROWS or scan.text("Filter"):
                continue
            # A table that each worker hashes for itself is read once by each.
            others = other.rows / (other.processes if not other.properties.get("Parallel Aware") else 1)
            if not subject.matters(scan) or max(join.rows, others) * MIN_RATIO > scan.rows:
                continue
            if _is_indexed(subject, scan, join.text(_CONDITIONS[join.type])):
                continue
            message = f"{scan.rows:,.0f} rows read for {join.rows:,.0f} of the join {join.text(_CONDITIONS[join.type])}"
            yield Found(Outcome.WARN, message, scan)


def _source(node: Node) -> Node:
    while node.type in _PASSING and node.children:
        node = node.children[0]
    return node


def _is_indexed(subject: Subject, scan: Node, condition: str) -> bool:
    """Whether the key has an index, so that the planner weighed it and chose the scan."""
    known = subject.statistics(scan)
    columns = known.leading_columns if known is not None else frozenset()
    return any(re.search(rf"\b{re.escape(scan.alias)}\.\"?{re.escape(column)}\b", condition) for column in columns)
