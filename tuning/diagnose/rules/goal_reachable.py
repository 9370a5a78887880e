"""The response time aimed at needs a throughput of its own.

When: --goal-s is given, and so many users with that response time need more throughput than was measured.
Why: users of a closed load ask again as soon as they are answered, so a mean response time and a number of users fix
the throughput; a goal that names all three can contradict itself.
Remedy: name the goal as an arrival rate and a response time, or reach the service time that this rule prints.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.run import Run

NEEDS = ("goal", "users", "slots", "seconds")


def check(run: Run) -> Iterator[Found]:
    goal_s = run.stated.goal_s or 0.0
    needed = laws.throughput_needed_per_s(run.users, goal_s, run.stated.think_s)
    service_s = laws.service_at_most_s(needed, run.slots)
    figures = {"goal_s": goal_s, "users": run.users, "think_s": run.stated.think_s, "slots": run.slots}
    figures |= {"needed_per_s": needed, "throughput_per_s": run.throughput_per_s, "service_at_most_s": service_s}
    message = (
        f"a mean of {time(goal_s)} with {run.users:,} users is {rate(needed)}, "
        f"{number(needed / run.throughput_per_s)} times what was measured: with {run.slots} slots, a request may hold "
        f"one for {time(service_s)}"
    )
    outcome = Outcome.WARN if run.load.total.mean_s > goal_s else Outcome.OK
    yield Found(outcome, message, f"{laws.RESPONSE_TIME}; {laws.UTILISATION}", figures)
