"""Password hashes take the service's processor time.

When: hashes took a fifth of the processor time of the service or more, as it counted itself. Where it does not count:
49 of 50 logins took 100 ms or more in the worker, so that those that waited for nobody did too, and as many times that
as there were logins is so much. It is a warning while the service and the host have processor time left.
Why: a password hash is meant to cost processor time: PBKDF2 of Django's settings takes 0.3 s of a core. In a greenlet
it stops the hub of its worker, so that every other request of that worker waits too; in a thread it takes a slot, and
a core from the hub.
Remedy: argon2id with bounded cost in a few threads off the hub (HOTROW_HASHER=argon2id); tokens that live longer, so
that users log in less often; `hotrow bench logins` measures what a login costs.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.cores_taken import BUSY, LITTLE_IDLE
from tuning.diagnose.evidence.processes import WEB
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import LARGE, outcome
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run

NEEDS = ("service", "web")

_LOGIN = re.compile(r"log[-_]?in|sign[-_]?in|auth/token$|session", re.IGNORECASE)
# Five times what argon2id takes at OWASP's cost (18 ms, `hotrow bench logins`), a third of Django's PBKDF2.
LONG_S = 0.1
# Most logins of a burst wait for others' hashes; the fastest tell what one hash takes.
NEARLY_ALL = 0.98


def check(run: Run) -> Iterator[Found]:
    service, processors = run.seen.service, run.seen.processors
    assert service is not None
    assert processors is not None
    logins = [each for each in service.routes if _LOGIN.search(each.route)]
    if not logins:
        yield Found(Outcome.OK, "no route of the service is a login", figures={"share": 0.0})
        return
    login = max(logins, key=lambda each: each.count)
    web = processors.groups[WEB]
    used_s = web.cores * processors.seconds
    figures = {"logins": login.count, "used_s": used_s, "cores": web.cores}
    if service.hash_cpu_s is not None:
        part = _part(service.hash_cpu_s, used_s)
        message = f"the hashes of {number(login.count)} logins took {time(service.hash_cpu_s)} of processor time"
        said, is_long = "", True
    else:
        at_least_s = login.took_at_least_s(NEARLY_ALL)
        figures["at_least_s"] = at_least_s
        waited_s = 0.0 if run.seen.sessions is None else run.seen.sessions.active * service.seconds
        part = _part(login.count * NEARLY_ALL * at_least_s - waited_s, used_s)
        message = f"49 of 50 of {number(login.count)} logins took {time(at_least_s)} in the worker or more"
        said, is_long = "at least ", at_least_s >= LONG_S
    figures["share"] = part
    if not is_long or part < LARGE:
        yield Found(Outcome.OK, message, figures=figures)
        return
    message += f", {said}{share(part)} of the processor time of the service, {number(web.cores)} cores"
    is_scarce = processors.idle is not None and processors.idle < LITTLE_IDLE
    is_busy = is_scarce or web.busiest >= BUSY or web.cores >= BUSY * processors.cores
    bad = outcome(part)
    yield Found(bad if is_busy else min(bad, Outcome.WARN, key=lambda each: each.weight), message, "", figures)


def _part(computed_s: float, used_s: float) -> float:
    return min(max(computed_s, 0.0) / used_s, 1.0) if used_s else 0.0
