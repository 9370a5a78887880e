"""The load generator may be what was slow.

When: each of its processes sent more than half of what Locust's manual gives for one core with HttpUser, and its CPU
was not watched; load-generator-saturated judges by that.
Why: a process of Locust uses one core. When it is taken, answers wait in it to be read, and every response time grows,
which in these figures looks like a queue in front of the service.
Remedy: look for Locust's warning about its CPU; run with --processes -1, use FastHttpUser, put it on another machine.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, rate
from tuning.diagnose.run import Run

NEEDS = ("seconds",)

# Locust's manual of release 2.0 on performance: about 850 with HttpUser on a core of 2018, 5,000 with FastHttpUser.
BEST_PER_S = 850.0
LARGE = 0.5


def check(run: Run) -> Iterator[Found]:
    each = run.throughput_per_s / run.stated.processes
    figures = {"throughput_per_s": run.throughput_per_s, "processes": run.stated.processes, "best_per_s": BEST_PER_S}
    if run.evidence is not None and not run.evidence.lacks("load"):
        message = f"{rate(each)} from one process of the generator, whose CPU was watched"
        yield Found(Outcome.OK, message, figures=figures)
        return
    if each > LARGE * BEST_PER_S:
        message = (
            f"{rate(each)} from one process of the generator: it may have been the limit, and its CPU is not known"
        )
        yield Found(Outcome.WARN, message, figures=figures)
        return
    many = f"1/{number(BEST_PER_S / each)} of what a core can send" if each else "nearly nothing"
    message = f"{rate(each)} from one process of the generator, {many}; its CPU is not in these figures"
    yield Found(Outcome.OK, message, figures=figures, tolerance="users that do nothing but send requests")
