"""Compiling the expressions takes longer than it can save.

When: JIT takes a quarter of the execution time, and 10 ms or more.
Why: it is done anew for each execution, and pays for itself in long statements alone.
Remedy: jit = off for this role, or a higher jit_above_cost.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual", "timing")

# Mine: a quarter is what compiled expressions save in good cases. pgtune turns jit off for web and OLTP.
MIN_JIT_SHARE = 0.25
MIN_JIT_MS = 10.0


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    timing = plan.jit.get("Timing")
    total = timing.get("Total") if isinstance(timing, dict) else None
    if not isinstance(total, int | float):
        return
    # Each process compiles for itself, and PostgreSQL adds them up.
    processes = max(node.processes for node in plan.nodes)
    wall_ms = total / processes
    if wall_ms >= max(MIN_JIT_MS, MIN_JIT_SHARE * plan.total_ms):
        yield Found(Outcome.WARN, f"{wall_ms:,.0f} of {plan.total_ms:,.0f} ms are compilation")
