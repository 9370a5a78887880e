"""The mix of requests is not the one that the tasks' weights ask for.

When: a task's share differs from its weight by more than four standard deviations of a random choice.
Why: slow requests are cut off at the end, users that fail give up early, and a sequence that is never finished ends
with few of its last step; a total over such a mix is not that of the workload meant.
Remedy: run longer, take the ramp out of the figures, and judge each kind of request alone.
"""

from collections.abc import Iterator
from math import sqrt

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import share
from tuning.diagnose.run import Run

NEEDS = ("weights", "kinds")

# Four: about one false alarm in 16,000 for a mix that is right.
DEVIATIONS = 4.0
ALLOWED = "four standard deviations of a random choice"


def check(run: Run) -> Iterator[Found]:
    weights = run.stated.weights
    counts = {name: sum(each.count for each in run.load.requests if _is(each.name, name)) for name in weights}
    if absent := [name for name, count in counts.items() if not count]:
        yield Found(Outcome.FAIL, f"no request is called {absent[0]}: it was never sent, or has another name")
        return
    total, whole = sum(counts.values()), sum(weights.values())
    is_off = False
    for name, weight in weights.items():
        expected = weight / whole
        if abs(counts[name] - total * expected) > DEVIATIONS * sqrt(total * expected * (1 - expected)) + 1:
            is_off = True
            figures = {"requests": counts[name], "of": total, "visits": counts[name] / total, "expected": expected}
            message = (
                f"{name} is {share(counts[name] / total)} of {total:,} requests, and {share(expected)} by its weight"
            )
            yield Found(Outcome.WARN, message, laws.FORCED_FLOW, figures, ALLOWED)
    if not is_off:
        yield Found(Outcome.OK, f"{len(weights)} kinds of request came as their weights ask", tolerance=ALLOWED)


def _is(full: str, name: str) -> bool:
    """Whether a request is meant: with its method, or by its name alone."""
    return full == name or full.partition(" ")[2] == name
