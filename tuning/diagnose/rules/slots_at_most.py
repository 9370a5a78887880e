"""What the slots can give at most, and what more users would do.

When: always, where the slots are known.
Why: slots / service time bounds the throughput, whatever the number of users; beyond the knee, users only wait longer,
by service time / slots for each of them. A target above the bound is not reached by more load or a longer run.
Remedy: to go beyond, shorten the service time or add slots; adding slots beyond the cores helps only waiting requests.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.run import Run

NEEDS = ("slots", "seconds")

ALLOWED = "the same mix, and slots that were never free"


def check(run: Run) -> Iterator[Found]:
    slots, think_s = run.slots, run.stated.think_s
    figures = {"slots": float(slots), "throughput_per_s": run.throughput_per_s}
    if not run.is_saturated:
        figures["at_least_per_s"] = slots / run.load.total.mean_s
        message = f"{slots} slots give {rate(figures['at_least_per_s'])} at least at this mix; how much more is open"
        yield Found(Outcome.OK, message, laws.BOUNDS, figures, "a service time as long as the response time")
        return
    service_s = laws.service_at_most_s(run.throughput_per_s, slots)
    figures |= {"service_s": service_s, "at_most_per_s": slots / service_s}
    message = f"{slots} slots give {rate(figures['at_most_per_s'])} at most at this mix"
    if not run.lacks("users"):
        figures["users"] = run.users
        figures["knee_users"] = laws.users_at_knee(service_s, slots, think_s)
        figures["response_at_least_s"] = laws.response_at_least_s(run.users, service_s, slots, think_s)
        message += (
            f"; more than {number(figures['knee_users'])} users only wait longer, and {run.users:,} wait for "
            f"{time(figures['response_at_least_s'])} on average in the steady state"
        )
    yield Found(Outcome.OK, message, laws.BOUNDS, figures, ALLOWED)
