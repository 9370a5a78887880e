"""The throughput still changed while the figures were taken.

When: after the last user was started, the second half of the run gave 20 % more or less than the first.
Why: figures of a run that speeds up (caches, logins that end) or slows down (a queue, a table that grows) are an
average of two states, and neither is the one that lasts.
Remedy: run until halves agree, and take the figures from then on.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.figures import Moment
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, rate
from tuning.diagnose.run import Run

NEEDS = ("history",)

# Ours: twice what rounds of one benchmark differ by on a shared machine.
DRIFT = 0.2
# Two standard deviations of the difference of two random counts are 20 % of either at 200 requests.
FEWEST = 200


def check(run: Run) -> Iterator[Found]:
    steady = [moment for moment in run.history if moment.at_s >= run.ramp_s]
    if len(steady) < 3:
        yield Found(Outcome.SKIP, "the history has no three rows after the last user was started")
        return
    middle_s = (steady[0].at_s + steady[-1].at_s) / 2
    middle = min(steady[1:-1], key=lambda moment: abs(moment.at_s - middle_s))
    halves = [(steady[0], middle), (middle, steady[-1])]
    if any(second.at_s <= first.at_s or second.requests - first.requests < FEWEST for first, second in halves):
        yield Found(Outcome.SKIP, f"a half of the steady part has fewer than {FEWEST} requests")
        return
    before, after = (_rate(first, second) for first, second in halves)
    figures = {"ramp_s": run.ramp_s, "first_half_per_s": before, "second_half_per_s": after}
    message = f"from second {number(steady[0].at_s)} on, the halves of the run gave {rate(before)} and {rate(after)}"
    outcome = Outcome.WARN if abs(after - before) > DRIFT * before else Outcome.OK
    yield Found(outcome, message, figures=figures, tolerance="20 %")


def _rate(first: Moment, second: Moment) -> float:
    return (second.requests - first.requests) / (second.at_s - first.at_s)
