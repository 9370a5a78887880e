"""Planning takes longer than executing.

When: planning takes longer than execution, and 5 ms or more, or a second over all calls.
Why: the statement is planned anew each time: Django prepares nothing unless it is told to.
Remedy: server_side_binding with prepare_threshold, where the connections are kept; fewer joins and partitions in one
    statement.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual", "timing")

# Mine: there is no number to quote. Below 5 ms a single statement is not worth a change, unless it is frequent.
MIN_MS = 5.0
MIN_ALL_CALLS_MS = 1000.0


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    planning_ms = plan.planning_ms or 0.0
    is_long = planning_ms >= MIN_MS or planning_ms * subject.calls >= MIN_ALL_CALLS_MS
    if plan.execution_ms is not None and planning_ms > plan.execution_ms and is_long:
        yield Found(Outcome.WARN, f"{planning_ms:,.1f} ms of planning for {plan.execution_ms:,.1f} ms of execution")
