"""Requests that were under way at the end are in no figure, and they were the slowest.

When: they are 5 % or more of all requests that were sent.
Why: when the time is up, each user has a request under way; with a queue, those have waited for longest. Leaving them
out makes the mean and the percentiles look better, the more so the shorter the run.
Remedy: run for many response times, and let requests finish (Locust's --stop-timeout).
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, share
from tuning.diagnose.run import Run

NEEDS = ("users", "seconds")

# Ours: as much as could hide everything beyond P95.
MANY = 0.05


def check(run: Run) -> Iterator[Found]:
    if run.load.is_drained:
        yield Found(Outcome.OK, "requests that were under way at the end were waited for")
        return
    total = run.load.total
    in_requests = total.mean_s / (total.mean_s + run.stated.think_s)
    left = run.users_at_end * in_requests
    part = left / (total.count + left)
    lengths = run.seconds / total.mean_s
    figures = {"users": run.users_at_end, "under_way": left, "requests": total.count, "share": part, "lengths": lengths}
    message = (
        f"about {number(left)} requests were under way at the end, {share(part)} of those sent, and are in no figure; "
        f"the run was {number(lengths)} mean response times long"
    )
    allowed = "users as stated, and none that --stop-timeout waited for"
    yield Found(Outcome.WARN if part >= MANY else Outcome.OK, message, figures=figures, tolerance=allowed)
