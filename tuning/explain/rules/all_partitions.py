"""Every partition is looked into.

When: four partitions or more of one table are all executed, with conditions that leave out the partition key;
    without a server that tells the key, where three quarters of them yield nothing. Fails from 1,000 calls on.
Why: each partition costs its own lock, plan and index descent, and their number grows with time.
Remedy: add a condition on the partition key, or partition by what is asked for.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.node import Node
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# Mine: fewer are cheap. pgdoctor, partitionusage: calls of a statement without the key that are critical.
MIN_PARTITIONS = 4
CRITICAL_CALLS = 1000
EMPTY_SHARE = 0.75
_NUMBERED = re.compile(r"^(.+)_\d+$")


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    for node in plan.nodes:
        if node.type not in ("Append", "Merge Append") or node.number("Subplans Removed"):
            continue
        scans = [_scan(child) for child in node.children if child.relationship != "InitPlan"]
        if len(scans) < MIN_PARTITIONS or not all(s.was_executed and s.conditions for s in scans):
            continue
        # In a plan the partitions of t are t_1, t_2 and so on; the branches of a UNION have names of their own.
        names = {match.group(1) if (match := _NUMBERED.match(scan.alias)) else "" for scan in scans}
        if len(names) != 1 or names == {""} or not _is_keyless(subject, scans):
            continue
        empty = sum(scan.rows == 0 for scan in scans)
        outcome = Outcome.FAIL if subject.calls >= CRITICAL_CALLS else Outcome.WARN
        yield Found(outcome, f"all {len(scans)} partitions of {names.pop()} are read, {empty} of them in vain", node)


def _scan(node: Node) -> Node:
    """The scan of one partition, with its conditions; a bitmap's are on its heap scan."""
    while not node.relation and len(node.children) == 1:
        node = node.children[0]
    return node


def _is_keyless(subject: Subject, scans: list[Node]) -> bool:
    known = [subject.statistics(scan) for scan in scans]
    key = next((each.partition_key for each in known if each is not None and each.partition_key), ())
    if not key:
        return sum(scan.rows == 0 for scan in scans) >= EMPTY_SHARE * len(scans)
    if any(each is not None and len(scans) < each.partitions for each in known):
        return False
    return not any(re.search(rf"\b{re.escape(column)}\b", scan.conditions) for scan in scans for column in key)
