"""The test measures logins more than what it is meant to measure.

When: the slots are saturated, a fifth of the requests or more are logins, and they take half of the slots' time or
more if another request holds one for --other-ms.
Why: a password is hashed on purpose slowly, Django's default with a million rounds of PBKDF2: CPU work that no cache,
index or other worker class takes away, and that on a gevent hub stops every other request of the worker.
Remedy: log users in before the measurement; hash in threads beside the hub with a limit on how many at a time, or with
argon2. `hotrow bench logins` measures what a login costs on this machine.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.logins import login_of
from tuning.diagnose.quantities import share, time
from tuning.diagnose.run import Run

NEEDS = ("slots", "seconds", "kinds")

# Ours: from here on the rest is the smaller part of the time.
LARGE = 0.5
# Ours: fewer would have to cost five times the mean, which an assumption about the others does not prove.
MANY = 0.2


def check(run: Run) -> Iterator[Found]:
    login, total = login_of(run), run.load.total
    if login is None:
        yield Found(Outcome.SKIP, "no request is known to be a login: --login names it")
        return
    if not run.is_saturated:
        message = (
            f"{share(login.count / total.count)} of the requests are logins; it is not shown that the slots were "
            "never free, so what one costs cannot be told from these figures"
        )
        yield Found(Outcome.SKIP, message)
        return
    other_s = run.stated.other_s
    all_s = run.service_at_most_s * total.count
    left_s = max(0.0, all_s - (total.count - login.count) * other_s)
    login_s = min(left_s / login.count, run.held_at_most_s(login))
    figures = {
        "logins": login.count,
        "requests": total.count,
        "service_s": run.service_at_most_s,
        "other_s": other_s,
        "login_s": login_s,
        "login_share": login_s * login.count / all_s,
    }
    message = (
        f"{login.count:,} of {total.count:,} requests are logins; if every other request holds its slot for "
        f"{time(other_s)}, a login holds one for {time(login_s)}, and logins take {share(figures['login_share'])} of "
        "the slots' time"
    )
    is_large = figures["login_share"] >= LARGE and login.count >= MANY * total.count
    outcome = Outcome.WARN if is_large else Outcome.OK
    yield Found(outcome, message, laws.UTILISATION, figures, f"{time(other_s)} is assumed (--other-ms), not measured")
