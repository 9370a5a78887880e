"""Workers cost more time than they save.

When: a Gather takes longer than its workers' time put end to end, by 5 ms or more.
Why: starting workers and handing their rows over took longer than the work would have in one process.
Remedy: lower max_parallel_workers_per_gather, or raise min_parallel_table_scan_size or parallel_setup_cost, for
    this role.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.node import GATHERS
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual", "timing")

# Mine: pgplan warns of any; starting a worker takes a few milliseconds on a machine that does something else too.
MIN_LOST_MS = 5.0


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        if node.type not in GATHERS or not node.was_executed or not node.number("Workers Launched"):
            continue
        child = next((each for each in node.children if each.relationship not in ("InitPlan", "SubPlan")), None)
        if child is None or not subject.matters(node):
            continue
        begun = sum(each.wall_ms for each in node.children if each is not child)
        work_ms = (child.total_ms or 0.0) * (child.loops or 0)
        if node.wall_ms - begun - work_ms >= MIN_LOST_MS:
            message = f"{node.wall_ms:,.1f} ms for work of {work_ms:,.1f} ms in all processes"
            yield Found(Outcome.WARN, message, node)
