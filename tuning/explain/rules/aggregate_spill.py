"""A hash of groups does not fit into memory.

When: a hashed aggregate has more than one batch, or used disk, in the leader or in a worker.
Why: rows whose group is not in memory are written to files and aggregated later.
Remedy: more work_mem or hash_mem_multiplier for this role or statement; fewer groups, by filtering before.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        disk_kib, batches = node.summed("Disk Usage"), node.largest("HashAgg Batches")
        if node.type == "Aggregate" and node.was_executed and (disk_kib > 0 or batches > 1):
            message = f"{batches:,.0f} batches and {disk_kib:,.0f} kB on disk for {node.rows:,.0f} groups"
            yield Found(Outcome.WARN, message, node)
