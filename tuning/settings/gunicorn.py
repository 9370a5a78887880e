"""How many workers and threads gunicorn runs, and what each lets in and keeps open to the database."""

import math
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.observe.chain import Workers
from tuning.settings import formulas
from tuning.settings.facts import RESTART, Advice, Facts
from tuning.settings.words import is_near

PRODUCT = "gunicorn"
# docs/adr/0024: what a worker has inside is what it serves in 20 ms.
INSIDE_S = 0.02
# Ours: below it a burst of one page's requests would be refused.
LEAST_IN_FLIGHT = 8
# Ours: a worker's pool is too small where a request waits so long for it on average, and no server is full.
LONG_WAIT_S = 0.001
# Ours: of a process; more only wait for each other's rows or for PgBouncer.
MOST_POOL = 16
# gunicorn's settings reference, threads: 2 to 4 times the cores.
MOST_THREADS_OF_CORES = 4
# Ours: a minute of a small service; fewer say nothing.
MIN_REQUESTS = 100
_DESIGN = "gunicorn, Design: How Many Workers?"


def advise(facts: Facts) -> Iterator[Advice]:
    """Yield what is said of each setting of gunicorn and of the service's limits; one line where it was not given."""
    workers = facts.workers
    if workers is None:
        reason = "no gunicorn was given: --gunicorn, --workers, or --instance"
        yield Advice(PRODUCT, "workers", Outcome.SKIP, "", reason)
        return
    yield _workers(facts, workers)
    if not (workers.is_greenlets or workers.is_asgi):
        yield _threads(facts, workers)
    else:
        yield _max_in_flight(facts, workers)
    yield _pool_size(facts, workers)


def _workers(facts: Facts, workers: Workers) -> Advice:
    """Greenlets: an interpreter for each core. Threads and sync: 2 x cores + 1, for they wait."""
    name, cores = "workers", facts.web_cores
    if cores is None:
        return _said(name, Outcome.SKIP, workers.workers, "the cores of gunicorn's machine are not known: --web-cores")
    is_evented = workers.is_greenlets or workers.is_asgi
    wanted = cores if is_evented else formulas.servers_of_cores(cores)
    formula = f"{cores} cores = {wanted}" if is_evented else f"2 x {cores} cores + 1 = {wanted}"
    if workers.workers == wanted or is_near(workers.workers, wanted):
        return _said(name, Outcome.OK, workers.workers, f"{workers.worker_class}: {formula}")
    evidence = f"{workers.workers} workers of class {workers.worker_class} on {cores} cores"
    source = _DESIGN if not is_evented else f"{_DESIGN}; one for each core where greenlets share a thread is ours"
    return _proposed(name, workers.workers, wanted, formula, evidence, source)


def _threads(facts: Facts, workers: Workers) -> Advice:
    name = "threads"
    if workers.worker_class != "gthread" and "thread" not in workers.worker_class.lower():
        return _said(name, Outcome.OK, workers.threads, f"{workers.worker_class} has one")
    found = _inside(facts)
    if isinstance(found, str):
        return _said(name, Outcome.SKIP, workers.threads, found)
    _, inside, law = found
    if facts.web_cores is None:
        return _said(name, Outcome.SKIP, workers.threads, "the cores of gunicorn's machine are not known: --web-cores")
    most = MOST_THREADS_OF_CORES * facts.web_cores
    wanted = min(math.ceil(formulas.servers_for(inside) / workers.workers), most)
    formula = f"min(({law}, + 2 x sqrt) / {workers.workers} workers, {MOST_THREADS_OF_CORES} x cores) = {wanted}"
    told = f"{law} of {workers.workers * workers.threads} threads"
    if wanted <= workers.threads or is_near(workers.threads, wanted):
        return _said(name, Outcome.OK, workers.threads, told)
    source = "Little's law; gunicorn settings reference, threads"
    return _proposed(name, workers.threads, wanted, formula, told, source)


def _max_in_flight(facts: Facts, workers: Workers) -> Advice:
    """A bound is proposed where there is none; one that was chosen is left alone unless far from what was served."""
    name, current = "HOTROW_MAX_IN_FLIGHT", facts.limits.get("MAX_IN_FLIGHT", "")
    if not current.isdigit():
        return _said(name, Outcome.SKIP, workers.worker_connections, "the service's own limit is not known: --instance")
    found = _inside(facts)
    if isinstance(found, str):
        return _said(name, Outcome.SKIP, int(current), found)
    rate = found[0]
    wanted = max(LEAST_IN_FLIGHT, math.ceil(rate / workers.workers * INSIDE_S))
    served = f"{rate:,.0f} requests/s / {workers.workers} workers x {INSIDE_S * 1000:.0f} ms"
    formula = f"max({served}, {LEAST_IN_FLIGHT}) = {wanted}"
    if int(current) >= wanted:
        return _said(name, Outcome.OK, int(current), f"{formula}, and {current} are let in")
    if int(current) == 0:
        return _said(name, Outcome.OK, 0, f"no bound, which a laboratory wants; else {formula}")
    evidence = f"{rate:,.0f} requests/s were served with {current} inside a worker"
    return _proposed(name, int(current), wanted, formula, evidence, "Little's law; docs/adr/0024")


def _pool_size(facts: Facts, workers: Workers) -> Advice:
    name, current = "HOTROW_POOL_SIZE", facts.limits.get("POOL_SIZE", "")
    if not current.isdigit():
        return _said(name, Outcome.SKIP, 0, "how many connections a worker keeps is not known: --pool-size, --instance")
    service = facts.evidence.service if facts.evidence is not None else None
    if service is None or service.pool_wait_s is None or not service.pool_asked:
        return _said(name, Outcome.SKIP, int(current), "waits for the pool are in no timeline: --timeline")
    wait_s = service.pool_wait_s / service.pool_asked
    told = f"a request waited {wait_s * 1000:.2f} ms for one of {current} connections on average"
    queue = sum(pool.queue for pool in facts.pools or ())
    if wait_s < LONG_WAIT_S:
        return _said(name, Outcome.OK, int(current), told)
    if queue >= 1:
        return _said(name, Outcome.OK, int(current), f"{told}; {queue:.1f} wait for PgBouncer: more would wait there")
    wanted = min(2 * int(current), MOST_POOL)
    if wanted <= int(current) or is_near(int(current), wanted):
        return _said(name, Outcome.OK, int(current), told)
    formula = f"min(2 x {current}, {MOST_POOL}) = {wanted}"
    return _proposed(name, int(current), wanted, formula, told, "Ours: doubled once, then measured again")


def _inside(facts: Facts) -> tuple[float, float, str] | str:
    """Requests a second, requests inside at a time, and Little's law in figures; or why there is none."""
    service = facts.evidence.service if facts.evidence is not None else None
    if service is None:
        return "how many requests are inside is in no timeline: --timeline of a run with the service's metrics"
    if service.count < MIN_REQUESTS or service.seconds <= 0:
        return f"{service.count:.0f} requests in the timeline, and {MIN_REQUESTS} are needed"
    rate = service.count / service.seconds
    inside = rate * service.mean_s
    return rate, inside, f"{rate:,.1f} requests/s x {service.mean_s * 1000:.1f} ms = {inside:.1f} inside"


def _said(name: str, outcome: Outcome, current: int, evidence: str) -> Advice:
    return Advice(PRODUCT, name, outcome, str(current) if current else "", evidence)


def _proposed(name: str, current: int, wanted: int, formula: str, evidence: str, source: str) -> Advice:
    return Advice(
        PRODUCT, name, Outcome.WARN, str(current), evidence, str(wanted), formula, source, RESTART, float(wanted)
    )
