"""The run was not as long as is said of it.

When: requests over their rate give another length than --seconds, by more than 5 % and a second; what the slowest
request explains is a warning.
Why: a rate over the wrong length is a wrong rate; a run that ended early is one that failed; and where --stop-timeout
lets requests finish, the last seconds have fewer users than the figures are taken for.
Remedy: state the length that the file tells, or find the file of the run that is meant.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.run import Run

NEEDS = ("stated_seconds",)

# Ours: Locust's timer, and its clock from the start to the last answer.
TOLERANCE, TOLERANCE_S = 0.05, 1.0
ALLOWED = "5 % and 1 s"


def check(run: Run) -> Iterator[Found]:
    stated_s = run.stated.seconds or 0.0
    if run.stated.is_reset and run.spawn_rate_per_s and not run.lacks("users"):
        stated_s = max(0.0, stated_s - run.users / run.spawn_rate_per_s)
    total = run.load.total
    figures = {"requests": total.count, "throughput_per_s": run.throughput_per_s, "seconds": run.seconds}
    figures["stated_seconds"] = stated_s
    off_s = abs(run.seconds - stated_s)
    said = f"{total.count:,} requests at {rate(run.throughput_per_s)} are {number(run.seconds)} s"
    if off_s <= TOLERANCE * stated_s + TOLERANCE_S:
        yield Found(Outcome.OK, f"{said}, and {number(stated_s)} s are stated", figures=figures, tolerance=ALLOWED)
    elif off_s <= (total.max_s or total.mean_s) + TOLERANCE_S:
        why = "requests were waited for" if run.seconds > stated_s else "no answer came in the last seconds"
        message = f"{said}, not {number(stated_s)} s: {why}, and the slowest took {time(total.max_s or total.mean_s)}"
        yield Found(Outcome.WARN, message, figures=figures, tolerance=ALLOWED)
    else:
        message = f"{said}, not {number(stated_s)} s: the length or the rate is of another run"
        yield Found(Outcome.FAIL, message, figures=figures, tolerance=ALLOWED)
