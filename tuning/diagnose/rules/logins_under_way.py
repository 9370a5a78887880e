"""Users were still logging in while the figures were taken.

When: fewer logins than users were answered (FAIL); or the last user's login can have lasted into the second half of
the run (WARN).
Why: a user who logs in sends nothing else, so the mix is that of a start; the throughput of every later step follows
from how many users came so far, not from what that step costs.
Remedy: log users in before the measurement, or run so long that logins are a small part of it.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.logins import login_of
from tuning.diagnose.quantities import number, time
from tuning.diagnose.run import Run

NEEDS = ("users", "ramp", "seconds")

# Ours: from here on more of the run is start than not.
LATE = 0.5


def check(run: Run) -> Iterator[Found]:
    login = login_of(run)
    if login is None:
        yield Found(Outcome.SKIP, "no request is known to be a login: --login names it")
        return
    figures = {"logins": float(login.count), "users": float(run.users), "ramp_s": run.ramp_s, "seconds": run.seconds}
    slowest_s = login.max_s or login.mean_s
    figures["login_s"] = slowest_s
    last_s = run.ramp_s + slowest_s
    if login.count < run.users:
        message = f"{login.count:,} of {run.users:,} users had logged in when the run ended"
        yield Found(Outcome.FAIL, message, figures=figures)
    elif last_s > LATE * run.seconds:
        message = (
            f"logins may have been under way until second {number(min(last_s, run.seconds))} of "
            f"{number(run.seconds)}: the last users start at {time(run.ramp_s)}, and the slowest login took "
            f"{time(slowest_s)}"
        )
        yield Found(Outcome.WARN, message, figures=figures, tolerance="the slowest login was one of the last users'")
    else:
        yield Found(Outcome.OK, f"every user had logged in by second {number(last_s)}", figures=figures)
