"""What the next change can gain at most, before it is tried: asymptotic bounds from the measured demands.

A station is something that a request needs for a time, and that has so many servers. ``X <= min(1 / Dmax, N / (D +
Z))``, with the demand D of a request at each station divided by its servers (Lazowska and others, 1984, chapter 5).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tuning.diagnose import laws
from tuning.diagnose.evidence.processes import LOAD, PGBOUNCER, POSTGRESQL, REDIS, WEB
from tuning.diagnose.run import Run
from tuning.diagnose.split import held_s, throughput_per_s

# One process of one thread each (PgBouncer's and Redis's manuals).
_SINGLE = frozenset({PGBOUNCER, REDIS, LOAD})


@dataclass(frozen=True, slots=True)
class Station:
    """``demand_s`` is what one request takes of it; ``servers`` is how many requests it serves at a time."""

    name: str
    demand_s: float
    servers: float

    @property
    def at_most_per_s(self) -> float:
        return self.servers / self.demand_s


@dataclass(frozen=True, slots=True)
class Bound:
    """With ``station`` free of charge, throughput is at most so much; then ``next_limit`` is what bounds it."""

    station: str
    at_most_per_s: float
    gain: float
    """In times of the throughput measured, 1 for no gain."""
    next_limit: str


def stations(run: Run) -> tuple[Station, ...]:
    """What requests took of each, the one with the lowest bound first; empty without a timeline."""
    found = sorted(_stations(run), key=lambda station: station.at_most_per_s) if run.evidence is not None else []
    return tuple(found)


def at_most_per_s(run: Run, without: str | None = None) -> tuple[float, str]:
    """The bound on throughput and what sets it, as it is or without one station."""
    known = stations(run)
    left = [station for station in known if station.name != without]
    removed_s = sum(station.demand_s for station in known if station.name == without)
    bounds = [(station.at_most_per_s, station.name) for station in left]
    if not run.lacks("users"):
        alone_s = max(held_s(run) - removed_s, 0.0) + run.stated.think_s
        if alone_s > 0:
            bounds.append((laws.throughput_at_most_per_s(run.users, alone_s, run.users, 0.0), "the number of users"))
    return min(bounds, default=(float("inf"), "nothing that was measured"))


def gains(run: Run) -> tuple[Bound, ...]:
    """For each station what removing it could gain at most, the largest gain first."""
    if run.evidence is None:
        return ()
    measured = throughput_per_s(run, run.evidence)
    found = []
    for station in stations(run):
        most, by = at_most_per_s(run, station.name)
        if most != float("inf") and measured > 0:
            found.append(Bound(station.name, most, max(most / measured, 1.0), by))
    return tuple(sorted(found, key=lambda bound: -bound.gain))


def _stations(run: Run) -> Iterator[Station]:
    seen = run.seen
    rate = throughput_per_s(run, seen)
    if rate <= 0:
        return
    if seen.processors is not None:
        cores = float(seen.processors.cores)
        names = {WEB: "application CPU", POSTGRESQL: "database CPU"}
        for name, group in seen.processors.groups.items():
            servers = min(cores, group.processes) if name == WEB else 1.0 if name in _SINGLE else cores
            if group.cores > 0:
                yield Station(names.get(name, f"{name} CPU"), group.cores / rate, max(servers, 1.0))
        together = sum(group.cores for group in seen.processors.groups.values())
        if together > 0:
            yield Station("host CPU", together / rate, cores)
    if seen.service is not None and not run.lacks("slots") and seen.service.mean_s > 0:
        yield Station("worker slots", seen.service.mean_s, float(run.slots))
    for pool in seen.pools or ():
        if pool.xact_s > 0:
            yield Station(f"servers of pool {pool.database}", pool.utilisation * pool.size / rate, pool.size)
