"""All worker slots are taken, and what they wait for is no processor.

When: requests filled four fifths of the slots, waited in front of them for a fifth of the client's time or more, and
the service's processes have processor time left.
Why: a worker of the classes sync and gthread is taken for as long as its request waits for a database, a cache or
another service. Requests beyond the slots wait in the listen queue, where nothing but the client sees them.
Remedy: more threads or greenlets (worker class gevent), as many as wait at a time, or a shorter wait; more processes
only as far as cores are free.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.cores_taken import BUSY
from tuning.diagnose.evidence.processes import WEB
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import outcome
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run
from tuning.diagnose.split import QUEUE, splits

NEEDS = ("service",)


def check(run: Run) -> Iterator[Found]:
    service = run.seen.service
    assert service is not None
    if run.lacks("slots"):
        yield Found(Outcome.SKIP, "the number of requests that the service takes at a time is not known: --slots")
        return
    whole = splits(run)[0]
    taken = service.inside / run.slots
    part = whole.of(QUEUE) / whole.mean_s if whole.mean_s else 0.0
    figures = {
        "share": part,
        "taken": taken,
        "slots": run.slots,
        "queue_s": whole.of(QUEUE),
        "inside_s": service.mean_s,
    }
    message = (
        f"{number(service.inside)} requests were in {run.slots} slots on average, for {time(service.mean_s)} each, "
        f"after {time(whole.of(QUEUE))} in front of them, {share(part)} of the client's time"
    )
    web = run.seen.processors.group(WEB) if run.seen.processors else None
    if taken < BUSY:
        yield Found(Outcome.OK, message, laws.UTILISATION, figures)
        return
    bad = outcome(part)
    if web is not None and web.busiest >= BUSY:
        message += "; more slots would wait for a processor: the service has none left"
        bad = min(bad, Outcome.WARN, key=lambda each: each.weight)
    yield Found(bad, message, f"{laws.LITTLE}; {laws.UTILISATION}", figures)
