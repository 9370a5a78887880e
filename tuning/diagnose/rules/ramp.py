"""Users were still being started for a large part of the run.

When: starting all users takes a quarter of the run or more (WARN), or longer than the run (FAIL).
Why: while users are added, the queue grows, so means and percentiles are of a load that rises and not of the one
named.
Remedy: run for ten ramps, start users faster, or reset the statistics when all are there (Locust's --reset-stats, and
here --reset-stats too).
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run

NEEDS = ("users", "ramp", "seconds")

# Ours: with a quarter of ramp, an eighth of the users' time is missing from the figures.
LARGE = 0.25


def check(run: Run) -> Iterator[Found]:
    figures = {"users": float(run.users), "ramp_s": run.ramp_s, "seconds": run.seconds}
    part = run.ramp_s / run.seconds
    steady_s = run.seconds - run.ramp_s
    most = max((moment.users for moment in run.history), default=run.users)
    if most < run.users or part >= 1:
        there = most if run.history else round(run.users_at_end)
        message = f"the ramp never ended: {there:,} of {run.users:,} users were started in {number(run.seconds)} s"
        yield Found(Outcome.FAIL, message, figures=figures)
    elif part >= LARGE:
        message = (
            f"starting {run.users:,} users took {time(run.ramp_s)}, {share(part)} of the run: all of them were there "
            f"for {time(steady_s)}, {number(steady_s / run.load.total.mean_s)} mean response times"
        )
        yield Found(Outcome.WARN, message, figures=figures)
    else:
        yield Found(Outcome.OK, f"starting users took {share(part)} of the run", figures=figures)
