"""Requests failed.

When: any did (WARN); one in a thousand or more (FAIL).
Why: failed requests are in the rate and in the response times. Those that fail at once make both look better, those
that run into a time-out make them worse; either way they did no work.
Remedy: look at the failures file for the messages, mend the cause, run again; a rate of successes is the one to
report.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import share
from tuning.diagnose.run import Run

NEEDS = ()

# The goal that the report sets itself: below 0.1 %.
MANY = 0.001


def check(run: Run) -> Iterator[Found]:
    total = run.load.total
    figures = {"failures": total.failures, "requests": total.count}
    if not total.failures:
        yield Found(Outcome.OK, f"none of {total.count:,} requests failed", figures=figures)
        return
    part = total.failures / total.count
    worst = max(run.load.requests, key=lambda each: each.failures)
    message = f"{total.failures:,} of {total.count:,} requests failed, {share(part)}"
    if worst.failures:
        message += f"; of {worst.name} {worst.failures:,} of {worst.count:,}"
    if run.load.failed:
        most = max(run.load.failed, key=lambda each: each.occurrences)
        message += f"; the most frequent message is {most.error[:200]!r} ({most.occurrences:,} times)"
    yield Found(Outcome.FAIL if part >= MANY else Outcome.WARN, message, figures=figures)
