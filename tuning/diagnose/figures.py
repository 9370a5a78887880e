"""What a load generator says it measured, in one form for every file that it may come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ALL = "all requests"


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request; ``name`` has its method in front where the file tells it."""

    name: str
    count: int
    failures: int
    mean_s: float
    min_s: float | None = None
    max_s: float | None = None
    rate_per_s: float | None = None
    """As the file states it; failures are in it, as they are in ``count``."""
    percentiles_s: Mapping[float, float] = field(default_factory=dict)
    """By percent: 50, 95, 99.9."""

    @property
    def time_s(self) -> float:
        """The response times of all its requests together."""
        return self.count * self.mean_s


@dataclass(frozen=True, slots=True)
class Failed:
    """A message with which requests of one kind failed."""

    name: str
    error: str
    occurrences: int


@dataclass(frozen=True, slots=True)
class Moment:
    """One row of a history; ``requests`` counts from the start."""

    at_s: float
    users: int
    requests: int


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """The figures of one run.

    ``seconds`` is the length of the run as the file tells it, None where it does not. ``failed`` is None where the
    messages are not known, ``history`` is empty where there is none.
    """

    source: str
    requests: tuple[Request, ...]
    total: Request
    seconds: float | None
    is_rounded: bool
    """Percentiles are those of Locust's buckets, two digits."""
    is_drained: bool = False
    """Requests that were under way at the end were waited for and counted."""
    failed: tuple[Failed, ...] | None = None
    history: tuple[Moment, ...] = ()
    configuration: str | None = None
    """Which of the runs that the document holds."""
    users: int | None = None
    spawn_rate_per_s: float | None = None
    missing: tuple[str, ...] = ()
    """What the files should have told and did not, a sentence each."""


def summed(requests: Sequence[Request]) -> Request:
    """All of them as one; percentiles cannot be summed, so there are none."""
    count = sum(request.count for request in requests)
    rates = [request.rate_per_s for request in requests if request.rate_per_s is not None]
    return Request(
        name=ALL,
        count=count,
        failures=sum(request.failures for request in requests),
        mean_s=sum(request.time_s for request in requests) / count,
        min_s=min((request.min_s for request in requests if request.min_s is not None), default=None),
        max_s=max((request.max_s for request in requests if request.max_s is not None), default=None),
        rate_per_s=sum(rates) if len(rates) == len(requests) else None,
    )
