"""Render the numbers of all workers in Prometheus' text form."""

from collections.abc import Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Asked(Collector):
    """Metrics that are made when they are asked for."""

    def __init__(self, ask: Callable[[], Iterable[Metric]]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        return self._ask()


def exposition(ask: Callable[[], Iterable[Metric]]) -> bytes:
    """What a scrape is answered: the instruments of all workers, and what ``ask`` finds out now."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # of a library without types there
    registry.register(_Asked(ask))
    return generate_latest(registry)
