"""A node waits for blocks that are not in shared_buffers.

When: a node reads 1,000 blocks or more, half of what it touches, which is told as a fact; warns where the waiting
    takes half of the statement's time, and 100 ms.
Why: times change with what happens to be cached, blocks do not: look at the blocks first.
Remedy: touch fewer blocks (an index, fewer columns); otherwise more shared_buffers, or pg_prewarm after a restart.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual", "blocks")
CONSEQUENCE_OF = {
    "slow_scan": Place.SAME,
    "like_scan": Place.SAME,
    "join_scan": Place.SAME,
    "inefficient_index": Place.SAME,
    "low_selectivity_index": Place.SAME,
    "top_n_scan": Place.PARENT,
}

# pgplan's bounds for an index that reads from disk, taken for every node.
MIN_READ = 1000
MIN_SHARE_READ = 0.5
# Mine.
MIN_WAIT_SHARE = 0.5
MIN_WAIT_MS = 100.0


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    for node in plan.nodes:
        blocks = plan.own(node).blocks
        if blocks.read < MIN_READ or blocks.read < MIN_SHARE_READ * blocks.touched:
            continue
        wait_ms = blocks.read_ms / node.processes
        is_waiting = plan.has_timing and wait_ms >= max(MIN_WAIT_MS, MIN_WAIT_SHARE * plan.total_ms)
        waited = f", {wait_ms:,.0f} ms of waiting" if wait_ms else ""
        message = f"{blocks.read:,} of {blocks.touched:,} blocks were read from outside of shared_buffers{waited}"
        yield Found(Outcome.WARN if is_waiting else Outcome.OK, message, node)
