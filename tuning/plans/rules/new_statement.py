"""A captured statement is not in the baseline.

When: statements are given beside the baseline, and it has none of that route and fingerprint.
Why: nobody has looked at its plan, and no later change of it will be noticed.
Remedy: look at it with `hotrow explain`, and accept it with `hotrow plans save --merge`.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.plans.comparison import Comparison
from tuning.plans.measured import Measured

NEEDS = ("plan",)


def check(subject: Comparison) -> Iterator[Found]:
    if subject.entry is not None or not isinstance(subject.now, Measured):
        return
    now = subject.now
    cost = f"{now.blocks:,} blocks" if now.blocks is not None else f"cost {now.plan.root.total_cost:,.0f}"
    yield Found(Outcome.WARN, f"it is not in the baseline; it touches {cost}".replace("touches cost", "has the cost"))
