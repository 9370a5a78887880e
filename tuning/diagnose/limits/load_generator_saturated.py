"""The load generator had no processor time left.

When: its busiest process used four fifths of a core or more; or a tenth, the most of all that was watched, on a
host whose processors were taken.
Why: a process of Locust, or of any generator in an interpreter, runs on one core. What arrives while it is busy is
timed when it gets to it, so the queue is in the generator, and the figures describe it and not the service.
Remedy: more processes (Locust's --processes), a lighter client (FastHttpUser), another machine; then measure again.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.cores_taken import BUSY, LITTLE_IDLE
from tuning.diagnose.evidence.processes import LOAD
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import share
from tuning.diagnose.run import Run

NEEDS = ("load",)

# Ours: on a host without idle time a process that computes all the time gets so much beside many others.
SHORT = 0.1


def check(run: Run) -> Iterator[Found]:
    processors = run.seen.processors
    assert processors is not None
    group = processors.groups[LOAD]
    figures = {"share": group.busiest, "generator_cores": group.cores, "processes": group.processes}
    message = f"the load generator's busiest process used {share(group.busiest)} of a core"
    is_most = group.cores == max(each.cores for each in processors.groups.values())
    is_scarce = processors.idle is not None and processors.idle < LITTLE_IDLE
    if group.busiest < BUSY and not (is_scarce and is_most and group.busiest >= SHORT):
        yield Found(Outcome.OK, message, laws.UTILISATION, figures)
        return
    if group.busiest < BUSY:
        message += ", the most of all that was watched, and the host had none left"
    message += ": it was the limit, and what it timed includes its own queue"
    yield Found(Outcome.FAIL, message, laws.UTILISATION, figures)
