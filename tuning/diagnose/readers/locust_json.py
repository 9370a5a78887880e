"""What Locust prints with ``--json`` or writes with ``--json-file``: an entry for each kind of request, in buckets."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tuning.diagnose.buckets import is_bucket
from tuning.diagnose.figures import LoadFigures, Request, summed
from tuning.diagnose.readers.documents import Document, Unreadable
from tuning.diagnose.readers.json_values import number, text, whole

# Those of Locust's own table.
PERCENTILES = (50.0, 66.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99)
# Of a response time in ms: a billion is eleven days.
MAX_DIGITS = 9


def read(document: Document, entries: list[Any]) -> LoadFigures:
    """Read the entries; the totals, which Locust leaves out, are summed.

    Raises:
        Unreadable: An entry has other fields, or nothing was requested.
    """
    requests: dict[str, Request] = {}
    missing: list[str] = []
    buckets: Counter[int] = Counter()
    times: list[tuple[float, float]] = []
    for index, entry in enumerate(entries, start=1):
        place = f"{document.name}, entry {index}"
        if not isinstance(entry, dict):
            raise Unreadable(f"{place} is no statistics of Locust")
        name = f"{text(entry, 'method', place)} {text(entry, 'name', place)}".strip()
        if name in requests:
            raise Unreadable(f"{place}: {name} stands twice: are two runs in one file?")
        counted = _counted(entry, place)
        if not counted or not number(entry, "total_response_time", place):
            missing.append(f"{name} was left out: it has no request that was timed")
            continue
        requests[name] = _request(entry, name, counted, place)
        buckets.update(counted)
        # An entry starts with its first answer, so its first request was sent earlier by one response time at least.
        first = number(entry, "start_time", place) - (requests[name].min_s or 0.0)
        times.append((first, number(entry, "last_request_timestamp", place)))
    if not requests:
        raise Unreadable(f"{document.name} holds no request: the load never reached the service")
    seconds = max(last for _, last in times) - min(first for first, _ in times)
    if seconds < 0:
        missing.append(f"{document.name} ends before it starts: its clock was set back, and its length is not known")
    total = summed(tuple(requests.values()))
    return LoadFigures(
        source=f"{document.name}, Locust's statistics as JSON",
        requests=tuple(requests.values()),
        total=Request(
            total.name, total.count, total.failures, total.mean_s, total.min_s, total.max_s, None, _percentiles(buckets)
        ),
        seconds=seconds if seconds > 0 else None,
        is_rounded=all(is_bucket(value / 1000) for value in buckets),
        missing=tuple(missing),
    )


def _counted(entry: Mapping[str, Any], place: str) -> Counter[int]:
    """Requests by their bucket, ms."""
    found = entry.get("response_times")
    if not isinstance(found, dict):
        raise Unreadable(f"{place} has no response_times")
    if not all(key.isdecimal() and key.isascii() and len(key) <= MAX_DIGITS for key in found):
        raise Unreadable(f"{place}, response_times: a time is no number of ms")
    counted = Counter({int(key): whole(found, key, f"{place}, response_times") for key in found})
    timed = whole(entry, "num_requests", place) - whole(entry, "num_none_requests", place)
    if counted.total() != timed:
        raise Unreadable(f"{place}: {counted.total()} response times for {timed} requests that were timed")
    return +counted


def _request(entry: Mapping[str, Any], name: str, counted: Counter[int], place: str) -> Request:
    least, most = (entry.get(key) for key in ("min_response_time", "max_response_time"))
    return Request(
        name=name,
        count=whole(entry, "num_requests", place),
        failures=whole(entry, "num_failures", place),
        mean_s=number(entry, "total_response_time", place) / counted.total() / 1000,
        min_s=None if least is None else number(entry, "min_response_time", place) / 1000,
        max_s=None if most is None else number(entry, "max_response_time", place) / 1000,
        percentiles_s=_percentiles(counted),
    )


def _percentiles(counted: Counter[int]) -> dict[float, float]:
    """The bucket under which so many percent lie, in s."""
    total, ordered = counted.total(), sorted(counted)
    found, at, below = {}, 0, counted[ordered[0]]
    for percent in PERCENTILES:
        while below < total * percent / 100 and at < len(ordered) - 1:
            at += 1
            below += counted[ordered[at]]
        found[percent] = ordered[at] / 1000
    return found
