"""The load generator had no processor time left.

When: its busiest process used four fifths of a core or more.
Why: a process of Locust, or of any generator in an interpreter, runs on one core. What arrives while it is busy is
timed when it gets to it, so the queue is in the generator, and the figures describe it and not the service.
Remedy: more processes (Locust's --processes), a lighter client (FastHttpUser), another machine; then measure again.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.cores_taken import BUSY
from tuning.diagnose.evidence.processes import LOAD
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import share
from tuning.diagnose.run import Run

NEEDS = ("load",)


def check(run: Run) -> Iterator[Found]:
    processors = run.seen.processors
    assert processors is not None
    group = processors.groups[LOAD]
    figures = {"share": group.busiest, "generator_cores": group.cores, "processes": group.processes}
    said = f"the load generator's busiest process used {share(group.busiest)} of a core"
    bad = Outcome.FAIL if group.busiest >= BUSY else Outcome.OK
    more = ": it was the limit, and what it timed includes its own queue" if bad is Outcome.FAIL else ""
    yield Found(bad, said + more, laws.UTILISATION, figures)
