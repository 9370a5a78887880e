"""A sort does not fit into memory and goes to disk.

When: a sort's space is of type Disk, in the leader or in a worker.
Why: what is sorted is written to files, merged and read again, which takes several times as long.
Remedy: more work_mem for this role or this statement (SET LOCAL), fewer or narrower rows into the sort, or an index in
    the order that is asked for.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.node import Node
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        size_kib = _on_disk(node)
        if node.was_executed and size_kib:
            yield Found(Outcome.WARN, f"the sort wrote {size_kib:,.0f} kB to disk for {node.rows:,.0f} rows", node)


def _on_disk(node: Node) -> float:
    """KiB that all processes wrote; an incremental sort tells the peak of one of its groups."""
    each = [node.properties, *node.workers]
    size = sum(float(one.get("Sort Space Used", 0)) for one in each if one.get("Sort Space Type") == "Disk")
    for one in each:
        for name in ("Full-sort Groups", "Pre-sorted Groups"):
            groups = one.get(name)
            if isinstance(groups, dict) and isinstance(disk := groups.get("Sort Space Disk"), dict):
                size += float(disk.get("Peak Sort Space Used", 0))
    return size
