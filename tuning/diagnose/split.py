"""Where the time of a request went: parts that add up to the client's mean, each with what measured it.

What is counted for all requests together (processor, pool, database) comes to one request by Little's law: so many at a
time, divided by the throughput. Routes are not told apart there, so a route's share is taken in proportion to its time
in the worker, and said so. What no source measured is a part of its own and never spread over the others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tuning.diagnose.evidence import UNSEEN, Evidence
from tuning.diagnose.evidence.processes import WEB
from tuning.diagnose.evidence.service import Route
from tuning.diagnose.evidence.sessions import CPU, LOCK
from tuning.diagnose.figures import ALL, Request
from tuning.diagnose.run import Run

QUEUE = "worker queue"
APPLICATION = "application CPU"
POOL = "pool wait"
POOLER = "PgBouncer wait"
DATABASE = "database"
LOCKED = "lock wait"
CACHE = "cache"
OTHER = "other"
# Of the kit's own scenario (tuning/load/scenario.py), whose names are the report's; routes as the metrics name them.
KIT_ROUTES = {
    "01_jwt_auth": "api/auth/token",
    "02_product_list": "api/products",
    "03_stock_availability": "api/products/<product_id>/availability",
    "04_stock_reserve": "api/reservations",
}
_PARAMETER = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Part:
    """``seconds`` of one request; None where ``source`` says why it is not known."""

    name: str
    seconds: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of one kind of request; known ones add up to ``mean_s``."""

    request: str
    mean_s: float
    parts: tuple[Part, ...]
    is_apportioned: bool = False
    """What is inside the worker was measured for all requests together and shared out."""

    def of(self, name: str) -> float:
        """The seconds of the parts with this name, or that begin with it; 0 where nothing is known."""
        return sum(part.seconds or 0.0 for part in self.parts if part.name == name or part.name.startswith(f"{name}: "))


def splits(run: Run) -> tuple[Split, ...]:
    """All requests first, then each kind; empty without a timeline."""
    seen = run.evidence
    if seen is None:
        return ()
    inside = tuple(_inside(run, seen))
    whole = _split(run.load.total, ALL, None if seen.service is None else seen.service.mean_s, inside, 1.0, seen)
    kinds = [_kind(each, run, seen, inside) for each in run.load.requests] if len(run.load.requests) > 1 else []
    return (whole, *kinds)


def throughput_per_s(run: Run, seen: Evidence) -> float:
    """Of the time that the evidence covers: the service's own count where it has one."""
    if seen.service is not None and seen.service.count:
        return seen.service.count / seen.service.seconds
    return run.throughput_per_s


def held_s(run: Run) -> float:
    """How long a request holds what it waited for: its mean without the waits for a worker and for a connection."""
    whole = splits(run)[0]
    return max(whole.mean_s - sum(whole.of(name) for name in (QUEUE, POOL, POOLER)), 0.0)


def route_of(request: Request, routes: tuple[Route, ...]) -> Route | None:
    """The service's route that a load's name means, by its path or by the kit's scenario."""
    method, _, path = request.name.rpartition(" ")
    wanted = KIT_ROUTES.get(path)
    path = path.partition("?")[0].strip("/")
    for each in routes:
        if method and each.method != method:
            continue
        pattern = "[^/]+".join(re.escape(piece) for piece in _PARAMETER.split(each.route.strip("/")))
        if each.route == wanted or re.fullmatch(pattern, path) or (path and each.route.strip("/") == path):
            return each
    return None


def _kind(request: Request, run: Run, seen: Evidence, inside: tuple[Part, ...]) -> Split:
    if seen.service is None:
        share = request.mean_s / run.load.total.mean_s if run.load.total.mean_s else 0.0
        return _split(request, request.name, None, inside, share, seen)
    route = route_of(request, seen.service.routes)
    if route is None:
        said = Part(OTHER, request.mean_s, "not known: no route of the service's metrics has this name")
        return Split(request.name, request.mean_s, (said,))
    share = route.mean_s / seen.service.mean_s if seen.service.mean_s else 0.0
    return _split(request, request.name, route.mean_s, inside, share, seen)


def _split(
    request: Request, name: str, service_s: float | None, inside: tuple[Part, ...], share: float, seen: Evidence
) -> Split:
    if service_s is None:
        queue = Part(QUEUE, None, f"not known: {seen.why('service')}")
    else:
        queue = Part(QUEUE, max(request.mean_s - service_s, 0.0), "the client's mean less the service's")
    parts = tuple(
        part if part.seconds is None else Part(part.name, part.seconds * share, part.source) for part in inside
    )
    rest = request.mean_s - sum(part.seconds or 0.0 for part in (queue, *parts))
    source = (
        "what is left: code that waits, the interpreter's lock, the hub, the network"
        if rest >= 0
        else "parts overlap by so much: a source counts what another counts too"
    )
    if rest >= 0 and service_s is None:
        source += ", and the queue before the service"
    return Split(name, request.mean_s, (queue, *parts, Part(OTHER, rest, source)), name != ALL)


def _inside(run: Run, seen: Evidence) -> Iterator[Part]:
    rate = throughput_per_s(run, seen)
    if rate <= 0:
        return
    web = seen.processors.group(WEB) if seen.processors else None
    if web is None:
        yield Part(APPLICATION, None, f"not known: {UNSEEN['web']}")
    else:
        yield Part(APPLICATION, web.cores / rate, "CPU seconds of the service's processes, by request")
    if seen.service is None or seen.service.pool_wait_s is None:
        yield Part(POOL, None, "not known: the service's metrics tell of no pool")
    else:
        wait_s = seen.service.pool_wait_s / seen.service.seconds
        yield Part(POOL, wait_s / rate, "hotrow_pool_wait_seconds, by request")
    if seen.pools is None:
        yield Part(POOLER, None, f"not known: {seen.why('pools')}")
    else:
        yield Part(POOLER, sum(pool.queue for pool in seen.pools) / rate, "PgBouncer's total_wait_time, by request")
    if seen.sessions is None:
        yield Part(DATABASE, None, f"not known: {seen.why('sessions')}")
        yield Part(LOCKED, None, f"not known: {seen.why('sessions')}")
    else:
        yield from _database(seen, rate)
    if seen.redis is None:
        yield Part(CACHE, None, f"not known: {seen.why('redis')}")
    else:
        each = seen.redis.operations_per_s / rate * seen.redis.ping_s
        yield Part(CACHE, each, "Redis's commands by request, each as long as the median PING")


def _database(seen: Evidence, rate: float) -> Iterator[Part]:
    assert seen.sessions is not None
    sampled = f"{seen.sessions.samples} samples of pg_stat_activity"
    for event, active in seen.sessions.waits.items():
        if event.partition(":")[0] != LOCK:
            yield Part(f"{DATABASE}: {'on a processor' if event == CPU else event}", active / rate, sampled)
    waiting = seen.sessions.waiting(LOCK)
    held = f"{sampled}; held by {seen.sessions.blockers[0].told}" if seen.sessions.blockers else sampled
    yield Part(LOCKED, waiting / rate, held if waiting else f"{sampled}: nobody waited for a lock")


def part_of_held(run: Run, at_a_time: float) -> float:
    """The share of a request's time, less its waits for a worker or a connection, in which so many were at something.

    By Little's law, as all of them together: 0 to 1.
    """
    rate, held = throughput_per_s(run, run.seen), held_s(run)
    return min(at_a_time / rate / held, 1.0) if rate > 0 and held > 0 else 0.0
