"""The users, the rate and the response times do not fit each other.

When: by Little's law more requests were in the system than there were users (FAIL); or users spent more time outside
requests than the stated think time and one unfinished request each explain (WARN).
Why: a user of a closed load has one request under way at most. Where more are found, the number of users, the length
or the response times are of another run; where far fewer, users were thinking, or waiting in the generator, and the
service saw a smaller load than the number of users suggests.
Remedy: state the users, the spawn rate and the think time of this run; with an idle remainder, look at the wait time
of the user classes and at the generator's CPU.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, time
from tuning.diagnose.run import Run

NEEDS = ("users", "seconds")

# Ours: rounding of published means and rates; Locust starts the users of a second at once.
TOLERANCE, TOLERANCE_S = 0.05, 1.0
ALLOWED = "5 %, and 1 s of each user for the steps in which they are started"


def check(run: Run) -> Iterator[Found]:
    total, users = run.load.total, run.users
    # Whoever's answer was waited for was still there.
    user_s = run.user_s + users * run.drain_s
    thinking_s = total.count * run.stated.think_s
    allowed_s = TOLERANCE * user_s + TOLERANCE_S * users
    rest_s = user_s - total.time_s - thinking_s
    figures = {
        "throughput_per_s": run.throughput_per_s,
        "response_s": total.mean_s,
        "in_system": run.in_system,
        "users": users,
        "user_s": user_s,
        "in_requests_s": total.time_s,
        "thinking_s": thinking_s,
    }
    if rest_s < -allowed_s:
        most = f"{users:,} users had {number(user_s)} s between them"
        message = (
            f"{number(run.in_system)} requests were in the system on average; {most}, and their requests took "
            f"{number(total.time_s + thinking_s)} s: users, length or response times are of another run"
        )
        yield Found(Outcome.FAIL, message, laws.LITTLE, figures, ALLOWED)
        return
    if run.lacks("ramp"):
        message = f"{number(run.in_system)} requests were in the system on average, of {users:,} users at most"
        yield Found(Outcome.OK, message, laws.LITTLE, figures, ALLOWED)
        return
    figures["rest_s"] = rest_s
    under_way_s = run.users_at_end * ((total.max_s or total.mean_s) + run.stated.think_s)
    if rest_s <= under_way_s + allowed_s:
        message = (
            f"the users' time adds up: about {number(user_s)} s between them, {number(total.time_s + thinking_s)} s "
            f"in answered requests and thinking; {time(max(rest_s, 0.0) / users)} each are left for what was under "
            "way at the end"
        )
        yield Found(Outcome.OK, message, laws.LITTLE, figures, ALLOWED)
        return
    figures["think_s"] = laws.think_time_s(user_s, total.time_s, total.count)
    message = (
        f"{users:,} users had {number(run.in_system)} requests in the system on average: {time(figures['think_s'])} "
        "before each request were spent thinking, or in the generator"
    )
    yield Found(Outcome.WARN, message, laws.RESPONSE_TIME, figures, ALLOWED)
