"""What the service said of itself on /metrics: time in it by route, waits for its pools, its cache."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuning.diagnose.evidence.counters import growth, mean
from tuning.timeline import Sample

REQUESTS = "hotrow_http_request_seconds"
HASH_CPU = "hotrow_login_hash_cpu_seconds_total"
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Probes are no part of the load.
_PROBES = frozenset({"readyz", "healthz"})


@dataclass(frozen=True, slots=True)
class Route:
    """``buckets`` are (upper bound in s, requests up to it), not cumulative."""

    method: str
    route: str
    count: float
    seconds: float
    buckets: tuple[tuple[float, float], ...]

    @property
    def mean_s(self) -> float:
        return self.seconds / self.count if self.count else 0.0

    def took_at_least_s(self, share: float) -> float:
        """A time that so many of the requests took at least: the lower bound of the bucket that holds that one."""
        passed, lower = 0.0, 0.0
        for upper, count in self.buckets:
            passed += count
            if passed > (1 - share) * self.count:
                return lower
            lower = upper
        return lower


@dataclass(frozen=True, slots=True)
class Service:
    seconds: float
    routes: tuple[Route, ...]
    pool_asked: float
    pool_wait_s: float | None
    """Time that all requests together waited for a connection of the process; None without such a pool."""
    pool_size: float
    cache_answers: Mapping[str, float]
    hashes: float
    """Password hashes under way or waited for, on average."""
    hash_cpu_s: float | None
    """Processor time of password hashes; None where the service does not count it."""
    lane_waiting: float
    workers: float

    @property
    def count(self) -> float:
        return sum(route.count for route in self.routes)

    @property
    def mean_s(self) -> float:
        return sum(route.seconds for route in self.routes) / self.count if self.count else 0.0

    @property
    def inside(self) -> float:
        """Requests in the workers on average, by Little's law."""
        return sum(route.seconds for route in self.routes) / self.seconds


def service(samples: Sequence[Sample]) -> Service | None:
    """Reduce SERVICE; None with fewer than two samples, or without the kit's metrics."""
    if len(samples) < 2 or samples[-1].t <= samples[0].t:
        return None
    values = [sample.data["values"] for sample in samples]
    names = sorted({name for each in values for name in each})
    if not any(name.startswith(REQUESTS) for name in names):
        return None
    grown = {name: growth([float(each.get(name, 0.0)) for each in values]) for name in names}
    waits = [name for name in names if name.startswith("hotrow_pool_wait_seconds")]
    sizes = [sum(v for n, v in each.items() if n.startswith("hotrow_pool_connections{")) for each in values]
    return Service(
        seconds=samples[-1].t - samples[0].t,
        routes=tuple(_routes(grown)),
        pool_asked=_of("hotrow_pool_requests", grown),
        pool_wait_s=sum(grown[name] for name in waits) if waits else None,
        pool_size=max(sizes, default=0.0),
        cache_answers={
            labels(name).get("source", ""): grown[name]
            for name in names
            if name.startswith("hotrow_cache_answers_total")
        },
        hashes=mean(_gauge("hotrow_login_hashes_under_way", each) for each in values),
        hash_cpu_s=grown.get(HASH_CPU),
        lane_waiting=mean(_gauge("hotrow_lane_waiting_requests", each) for each in values),
        workers=max(_gauge("hotrow_workers", each) for each in values),
    )


def labels(sample: str) -> dict[str, str]:
    """The labels of a sample's name as Prometheus writes it."""
    return dict(_LABEL.findall(sample))


def _of(name: str, grown: Mapping[str, float]) -> float:
    return sum(value for each, value in grown.items() if each.startswith(f"{name}_total"))


def _gauge(name: str, values: Mapping[str, float]) -> float:
    return sum(value for each, value in values.items() if each == name or each.startswith(f"{name}{{"))


def _routes(grown: Mapping[str, float]) -> Iterator[Route]:
    kinds = {_kind(name) for name in grown if name.startswith(f"{REQUESTS}_count")}
    for method, route in sorted(kinds):
        if route in _PROBES:
            continue
        mine = {
            name: value for name, value in grown.items() if name.startswith(REQUESTS) and _kind(name) == (method, route)
        }
        count = sum(value for name, value in mine.items() if name.startswith(f"{REQUESTS}_count"))
        seconds = sum(value for name, value in mine.items() if name.startswith(f"{REQUESTS}_sum"))
        up_to: dict[float, float] = {}
        for name, value in mine.items():
            if name.startswith(f"{REQUESTS}_bucket"):
                upper = float(labels(name)["le"])
                up_to[upper] = up_to.get(upper, 0.0) + value
        buckets, before = [], 0.0
        for upper, value in sorted(up_to.items()):
            buckets.append((upper, value - before))
            before = value
        if count:
            yield Route(method, route, count, seconds, tuple(buckets))


def _kind(name: str) -> tuple[str, str]:
    found = labels(name)
    return found.get("method", ""), found.get("route", "")
