"""A statement has a plan that nobody accepted.

When: the shape of the plan is none of those in the baseline; fails where it touches 1.5 times the blocks and ten more
    than the accepted plan, after the growth of its tables is allowed for, in each of three runs. A statement that was
    only planned is judged by its cost. A plan that touches as much is a warning, one that touches less is told.
Why: an index is gone or new, statistics are old or new, a setting or the data is another; the finding says which.
Remedy: mend the cause that it names; `hotrow plans save --merge` accepts the plan beside the others.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.plans.comparison import Comparison
from tuning.plans.measured import Measured

NEEDS = ("plan",)


def check(subject: Comparison) -> Iterator[Found]:
    if subject.entry is None or not isinstance(subject.now, Measured) or subject.is_accepted_shape:
        return
    if subject.is_worse():
        yield Found(Outcome.FAIL, f"another plan, and a worse one: {subject.figures()}")
    elif subject.is_better():
        yield Found(Outcome.OK, f"a better plan: {subject.figures()}; `hotrow plans save --merge` accepts it")
    else:
        yield Found(Outcome.WARN, f"another plan, which touches about as much: {subject.figures()}")
