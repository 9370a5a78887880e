"""Users spent most of their time outside requests.

When: by the interactive response time law, half of the users' time or more was not spent in a request, those included
that were under way when the test ended.
Why: closed users ask again only when they have thought. Where they think for longer than they wait, the service has
nothing to do meanwhile: a faster service would raise throughput by less than twice, whatever was made faster.
Remedy: this is the load's limit and not the service's: more users, less think time, or arrivals at a rate of their own.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import outcome
from tuning.diagnose.quantities import share, time
from tuning.diagnose.run import Run

NEEDS = ()


def check(run: Run) -> Iterator[Found]:
    if run.stated.is_open:
        yield Found(Outcome.SKIP, "arrivals had a rate of their own: no user thinks")
        return
    if run.lacks("users") or run.lacks("seconds"):
        yield Found(Outcome.SKIP, "the number of users, or the length of the test, is not known: --users, --seconds")
        return
    total = run.load.total
    think_s = max(laws.think_time_s(run.user_s - _under_way_s(run), total.time_s, total.count), 0.0)
    part = think_s / (think_s + total.mean_s)
    figures = {"share": part, "think_s": think_s, "response_s": total.mean_s, "users": run.users}
    message = (
        f"users spent {share(part)} of their time outside requests, {time(think_s)} after each of {time(total.mean_s)}"
    )
    bad = outcome(part)
    yield Found(bad, message, laws.RESPONSE_TIME, figures, "a ramp whose rate is not known counts as thinking")


def _under_way_s(run: Run) -> float:
    """The time, at the most, that users spent in requests which had no answer when the test ended."""
    total = run.load.total
    # A drained run's history goes on after its end.
    seen_s = max(run.seconds, run.history[-1].at_s if run.history else 0.0)
    # Where most users had no second answer, nobody knows how long the others would have taken.
    longest_s = seen_s if total.count < 2 * run.users_at_end else (total.max_s or total.mean_s)
    return run.users_at_end * min(longest_s, seen_s)
