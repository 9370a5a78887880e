"""Read what the load recorded and sum it up with HDR histograms (hdrhistogram.org)."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hdrh.histogram import HdrHistogram

# 1 us to 1 hour, exact to 3 significant digits: finer than any noise here.
LOWEST_US, HIGHEST_US, DIGITS = 1, 3_600_000_000, 3


@dataclass(frozen=True, slots=True)
class Latency:
    """The times of one kind of request; ``encoded`` is the whole histogram (HdrHistogram V2, base64)."""

    name: str
    count: int
    failures: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    encoded: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load run measured.

    ``seconds`` is the time from start to stop. Requests under way at the stop are waited for: their
    times count, since leaving out the slowest would flatter, but the rate does not count them, nor
    those that failed.
    """

    scenario: str
    seconds: float
    requests_per_s: float
    total: Latency
    by_name: list[Latency]
    acknowledged: dict[str, tuple[int, int]] = field(repr=False)
    """Key to product id and quantity of each reservation that was answered with success."""
    unanswered: dict[str, tuple[int, int]] = field(repr=False)
    """The same of those that may or may not have been made."""
    unsent: int = 0
    """Requests that were due and that no user was free to send, of open arrivals."""
    series: list[list[float]] = field(default_factory=list, repr=False)
    """For each second: t, users, requests answered, failures, P50 and P95 in ms of those."""


@dataclass(slots=True)
class _Tally:
    histogram: HdrHistogram
    failures: int = 0

    @classmethod
    def empty(cls) -> "_Tally":
        return cls(HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS))

    def summary(self, name: str) -> Latency:
        histogram = self.histogram
        return Latency(
            name=name,
            count=histogram.get_total_count(),
            failures=self.failures,
            mean_ms=round(histogram.get_mean_value() / 1000, 1),
            p50_ms=histogram.get_value_at_percentile(50) / 1000,
            p95_ms=histogram.get_value_at_percentile(95) / 1000,
            p99_ms=histogram.get_value_at_percentile(99) / 1000,
            max_ms=histogram.get_max_value() / 1000,
            encoded=histogram.encode().decode(),
        )


def read(directory: Path, scenario: str) -> LoadResult:
    """Sum up the files that :mod:`tuning.load.recorder` wrote into ``directory``.

    Raises:
        ValueError: There are none, or the load did not run to its end.
    """
    runs = [json.loads(path.read_text()) for path in sorted(directory.glob("run-*.json"))]
    if not runs:
        raise ValueError(f"{directory} holds no finished load run")
    started, stopped = min(run["started"] for run in runs), max(run["stopped"] for run in runs)
    tallies: dict[str, _Tally] = {}
    seconds: dict[int, _Tally] = {}
    total, in_time = _Tally.empty(), 0
    for name, start, latency_us, is_ok in _rows(directory.glob("requests-*.csv")):
        latency = max(int(latency_us), LOWEST_US)
        answered = float(start) + latency / 1e6
        of_second = int(answered - started)
        if name not in tallies:
            tallies[name] = _Tally.empty()
        if of_second not in seconds:
            seconds[of_second] = _Tally.empty()
        for tally in (tallies[name], seconds[of_second], total):
            tally.histogram.record_value(latency)
            tally.failures += is_ok == "0"
        in_time += is_ok == "1" and answered <= stopped
    acknowledged: dict[str, tuple[int, int]] = {}
    unanswered: dict[str, tuple[int, int]] = {}
    for key, product_id, quantity, outcome in _rows(directory.glob("reservations-*.csv")):
        if outcome == "reserved":
            acknowledged[key] = (int(product_id), int(quantity))
        elif outcome != "refused":
            unanswered[key] = (int(product_id), int(quantity))
    return LoadResult(
        scenario=scenario,
        seconds=round(stopped - started, 1),
        requests_per_s=round(in_time / (stopped - started), 1),
        total=total.summary("all"),
        by_name=[tallies[name].summary(name) for name in sorted(tallies)],
        acknowledged=acknowledged,
        unanswered=unanswered,
        unsent=sum(run.get("unsent", 0) for run in runs),
        series=_series(seconds, _users(directory, started)),
    )


def _series(seconds: dict[int, _Tally], users: dict[int, int]) -> list[list[float]]:
    rows: list[list[float]] = []
    present = 0
    for second in range(max([*seconds, *users, -1]) + 1):
        present = users.get(second, present)
        tally = seconds.get(second) or _Tally.empty()
        found = tally.summary("")
        rows.append([second, present, found.count, found.failures, found.p50_ms, found.p95_ms])
    return rows


def _users(directory: Path, started: float) -> dict[int, int]:
    """The users of each second, summed over the load's processes."""
    found: dict[int, dict[Path, int]] = {}
    for path in sorted(directory.glob("users-*.csv")):
        for at, number in _rows([path]):
            found.setdefault(int(float(at) - started), {})[path] = int(number)
    return {second: sum(each.values()) for second, each in found.items() if second >= 0}


def _rows(paths: Iterable[Path]) -> Iterable[list[str]]:
    for path in sorted(paths):
        with path.open(newline="") as file:
            yield from csv.reader(file)
