"""Requests ran into a time-out, so the slowest times are the limit's and not the service's.

When: the messages of failed requests tell of a time-out, the generator's or a gateway's (408, 504).
Why: a request that was given up has the limit as its time, and would have taken longer; the server may still work on
it while the user asks again. Percentiles beyond the share of time-outs are not known.
Remedy: a limit above the slowest answer while measuring; in production a limit and a load that is refused early.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import share
from tuning.diagnose.run import Run

NEEDS = ("errors",)

_TIMED_OUT = re.compile(r"time[d-]?[ -]?out|\b(?:408|504)\b", re.IGNORECASE)


def check(run: Run) -> Iterator[Found]:
    out = sum(each.occurrences for each in run.load.failed or () if _TIMED_OUT.search(each.error))
    total = max(run.load.total.count, out)
    figures = {"timed_out": out, "requests": total}
    if not out:
        yield Found(Outcome.OK, "no message tells of a time-out", figures=figures)
        return
    message = (
        f"{out:,} of {total:,} requests timed out, {share(out / total)}: what they would have taken is not known, and "
        f"no percentile above P{100 * (1 - out / total):.4g} is"
    )
    yield Found(Outcome.FAIL, message, figures=figures)
