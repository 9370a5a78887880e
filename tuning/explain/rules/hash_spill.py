"""The hashed side of a join does not fit into memory.

When: a hash has more than one batch; fails from eight on.
Why: both sides of the join are written to files, batch by batch, and read again.
Remedy: more work_mem or hash_mem_multiplier for this role or statement; hash the smaller side (ANALYZE), with fewer
    columns.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# pgplan, rules.go.
CRITICAL_BATCHES = 8


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        batches = node.largest("Hash Batches")
        if node.type == "Hash" and node.was_executed and batches > 1:
            planned = node.largest("Original Hash Batches")
            grown = f", {planned:,.0f} planned" if planned and planned < batches else ""
            outcome = Outcome.FAIL if batches >= CRITICAL_BATCHES else Outcome.WARN
            yield Found(outcome, f"{batches:,.0f} batches{grown}, for {node.rows:,.0f} rows", node)
