"""The application has no processor time left.

When: the service's processes used four fifths of what they can: a core each, as an interpreter runs on one at a time,
or all cores; it is a warning where the host was busy and the service used most.
Why: Python that computes can only be spread over more processes, and processes over more cores. Threads, greenlets
and connections add nothing; they wait for the interpreter.
Remedy: profile what a request computes (serialising, hashing, the ORM), keep answers, compute less; more workers only
as far as cores are free.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.cores_taken import BUSY, taken
from tuning.diagnose.evidence.processes import WEB
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import share
from tuning.diagnose.run import Run

NEEDS = ("web",)


def check(run: Run) -> Iterator[Found]:
    processors = run.seen.processors
    assert processors is not None
    web = processors.groups[WEB]
    workers = run.seen.service.workers if run.seen.service and run.seen.service.workers else web.processes
    can = min(float(processors.cores), max(workers, 1.0))
    if web.busiest >= BUSY:
        figures = {"share": web.busiest, "busiest_cores": web.busiest, "cores": web.cores}
        message = (
            f"the service's busiest process used {share(web.busiest)} of the one core that its interpreter can use"
        )
        yield Found(Outcome.FAIL, message, laws.UTILISATION, figures)
        return
    yield taken(processors, WEB, "the service", can)
