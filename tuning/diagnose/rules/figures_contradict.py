"""The figures contradict each other, so one of them is not of this run.

When: rows do not add up to the total; a rate is not its count over the length of the run; a mean is not between the
fastest and the slowest request; a percentile falls below a lower one; more failed than were sent.
Why: a table put together from several runs, or typed in, supports no conclusion, and nobody sees it by looking.
Remedy: take the file as the generator wrote it, and all files from the same run.
"""

from collections.abc import Iterator
from itertools import pairwise

from tuning.contract import Outcome
from tuning.diagnose.buckets import width_s
from tuning.diagnose.figures import Request
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.run import Run

NEEDS = ()

# Ours: figures of one run differ by rounding alone, which for a published "5.0 req/s" is 1 %.
TOLERANCE = 0.05
# A published rate is rounded to a tenth.
RATE_STEP_PER_S = 0.1
ALLOWED = "5 %, and the rounding of rates to a tenth and of percentiles to two digits"


def check(run: Run) -> Iterator[Found]:
    found = [
        *_sums(run),
        *_files(run),
        *(said for each in (*run.load.requests, run.load.total) for said in _within(each)),
    ]
    yield from (Found(Outcome.FAIL, said, tolerance=ALLOWED) for said in dict.fromkeys(found))
    if not found:
        yield Found(Outcome.OK, "the figures agree with each other", tolerance=ALLOWED)


def _sums(run: Run) -> Iterator[str]:
    total, parts = run.load.total, run.load.requests
    counted = sum(each.count for each in parts)
    # Locust writes row after row while it still counts.
    if abs(counted - total.count) > TOLERANCE * total.count:
        yield f"the rows count {counted:,} requests and the total {total.count:,}"
    mean_s = sum(each.time_s for each in parts) / counted
    if abs(mean_s - total.mean_s) > TOLERANCE * total.mean_s:
        yield f"the rows have a mean of {time(mean_s)} and the total of {time(total.mean_s)}"
    if run.load.seconds is None:
        return
    for each in parts:
        if each.rate_per_s is None:
            continue
        expected = each.count / run.load.seconds
        if abs(each.rate_per_s - expected) > TOLERANCE * expected + RATE_STEP_PER_S / 2:
            yield (
                f"{each.name}: {each.count:,} requests in {time(run.load.seconds)} are {rate(expected)}, and "
                f"{rate(each.rate_per_s)} are stated"
            )


def _files(run: Run) -> Iterator[str]:
    total = run.load.total
    # Files of a run that was killed end at different moments.
    seen = run.load.history[-1].requests if run.load.history else 0
    if seen > total.count * (1 + TOLERANCE):
        yield f"the history counts {seen:,} requests and the statistics {total.count:,}"
    told = sum(each.occurrences for each in run.load.failed or ())
    if told > total.failures * (1 + TOLERANCE):
        yield f"the messages count {told:,} failures and the statistics {total.failures:,}"


def _within(each: Request) -> Iterator[str]:
    if each.failures > each.count:
        yield f"{each.name}: {each.failures:,} failures of {each.count:,} requests"
    if each.min_s is not None and each.min_s > each.mean_s * (1 + TOLERANCE):
        yield f"{each.name}: the fastest took {time(each.min_s)}, the mean is {time(each.mean_s)}"
    if each.max_s is not None and each.max_s < each.mean_s * (1 - TOLERANCE):
        yield f"{each.name}: the slowest took {time(each.max_s)}, the mean is {time(each.mean_s)}"
    ordered = sorted(each.percentiles_s.items())
    for (lower, low_s), (higher, high_s) in pairwise(ordered):
        if high_s < low_s - width_s(low_s):
            yield f"{each.name}: P{number(higher)} is {time(high_s)}, below P{number(lower)} with {time(low_s)}"
    if ordered and each.max_s is not None and ordered[-1][1] > each.max_s + width_s(each.max_s):
        yield f"{each.name}: P{number(ordered[-1][0])} is {time(ordered[-1][1])}, the slowest took {time(each.max_s)}"
