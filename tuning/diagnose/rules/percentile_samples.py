"""A percentile rests on too few requests.

When: with a probability of over 5 % all requests measured were faster than the true percentile; for P95 that is below
59 requests, for P99 below 299, for P99.9 below 2,995.
Why: of 144 requests one or two are beyond P99: the figure is the slowest or the next, and another run gives another.
Remedy: run longer, or report the highest percentile that the count supports.
"""

from collections.abc import Iterator
from math import ceil, log

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, share
from tuning.diagnose.run import Run

NEEDS = ("percentiles",)

# The usual 5 %. All of n requests lie below the true percentile p with the probability p^n, however they are spread.
CHANCE = 0.05
# Lower percentiles rest on enough of any test; higher ones are the slowest request by another name.
_JUDGED = (95.0, 98.0, 99.0, 99.9)


def check(run: Run) -> Iterator[Found]:
    is_bad = False
    for percent in _JUDGED:
        told = [each for each in (*run.load.requests, run.load.total) if percent in each.percentiles_s]
        if few := [each for each in told if each.count < needed(percent)]:
            is_bad = True
            chance = (percent / 100) ** min(each.count for each in few)
            names = ", ".join(f"{each.name} {each.count:,}" for each in few)
            message = (
                f"P{number(percent)} needs {number(needed(percent))} requests, and these have fewer: {names}; the "
                f"true one lies above all that were measured with a probability of up to {share(chance)}"
            )
            figures = {f"{each.name}, requests": float(each.count) for each in few}
            figures |= {"percent": percent, "probability": chance, "needed": needed(percent)}
            yield Found(Outcome.WARN, message, figures=figures)
    if not is_bad:
        yield Found(Outcome.OK, "every percentile rests on enough requests")


def needed(percent: float) -> int:
    """The fewest requests of which the slowest is above the true percentile with 95 %."""
    return ceil(log(CHANCE) / log(percent / 100))
