"""Percentiles are those of buckets, not of requests.

When: the file's percentiles are rounded as Locust rounds; a warning where two of P50, P90, P95 and P99 are the same
bucket.
Why: Locust keeps two digits of each time (from 10 s on whole seconds) before it takes percentiles, so a change within
one step is invisible, and one beyond it looks like a jump. Means and the slowest request are not rounded.
Remedy: compare runs by means, or record raw times, as `locust -f tuning/load/locustfile.py --timings DIR` does.
"""

from collections.abc import Iterator
from itertools import pairwise

from tuning.contract import Outcome
from tuning.diagnose.buckets import width_s
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run

NEEDS = ("percentiles",)

_COMPARED = (50.0, 90.0, 95.0, 99.0)


def check(run: Run) -> Iterator[Found]:
    if not run.load.is_rounded:
        yield Found(Outcome.OK, "percentiles are not rounded as Locust rounds them")
        return
    known = [(percent, run.load.total.percentiles_s.get(percent)) for percent in _COMPARED]
    found = [(percent, value) for percent, value in known if value]
    if not found:
        yield Found(Outcome.SKIP, "of all requests together the file has no P50, P90, P95 or P99")
        return
    percent, value = found[-1]
    half = width_s(value) / 2
    figures = {f"p{number(percent)}_s": value for percent, value in found} | {"half_step_s": half}
    message = (
        f"P{number(percent)} of {time(value)} stands for {time(value - half)} to {time(value + half)}, "
        f"{share(half / value)} either way"
    )
    same = [(low, high, value) for (low, value), (high, other) in pairwise(found) if value == other]
    if same:
        message += "".join(
            f"; P{number(low)} and P{number(high)} are the same step of {time(at)}" for low, high, at in same
        )
    yield Found(Outcome.WARN if same else Outcome.OK, message, figures=figures)
