"""The kit's own result: ``demo.json`` of ``hotrow demo``, with one part for each configuration."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuning.diagnose.figures import ALL, LoadFigures, Request
from tuning.diagnose.readers.documents import Document, Unreadable
from tuning.diagnose.readers.json_values import number, text, whole

_PERCENTILES = {50.0: "p50_ms", 95.0: "p95_ms", 99.0: "p99_ms"}


def read(document: Document, found: Mapping[str, Any], configuration: str | None) -> LoadFigures:
    """Read one configuration of the document.

    The rate is of requests that succeeded before the time was up; the times are of all, those that were waited for too.

    Raises:
        Unreadable: It is another document, or has no such configuration.
    """
    names = sorted(name for name, part in found.items() if isinstance(part, dict) and "by_request" in part)
    if not names:
        raise Unreadable(f"{document.name} is neither Locust's statistics nor a result of the kit's")
    if configuration not in names:
        asked = f"has no configuration {configuration}" if configuration else "holds more than one run"
        raise Unreadable(f"{document.name} {asked}: --configuration {' or '.join(names)}")
    part, place = found[configuration], f"{document.name}, {configuration}"
    scenario = found.get("scenario")
    if not isinstance(scenario, dict) or not isinstance(part["by_request"], list):
        raise Unreadable(f"{place} is no result of the kit's")
    requests = tuple(_request(entry, "count", f"{place}, by_request") for entry in part["by_request"])
    slowest = max((each.max_s for each in requests if each.max_s is not None), default=None)
    total = replace(_request({"name": "", **part}, "requests", place), max_s=slowest)
    if not total.count or not total.mean_s:
        raise Unreadable(f"{place} holds no request")
    return LoadFigures(
        source=f"{document.name}, configuration {configuration} of the kit's result",
        requests=tuple(each for each in requests if each.count and each.mean_s) or (total,),
        total=total,
        seconds=number(part, "seconds", place) or None,
        is_rounded=False,
        is_drained=True,
        configuration=configuration,
        users=whole(scenario, "users", place) or None,
        spawn_rate_per_s=number(scenario, "spawn_rate", place) or None,
    )


def _request(entry: Any, count: str, place: str) -> Request:
    if not isinstance(entry, dict):
        raise Unreadable(f"{place}: {entry!r:.40} is no request")
    most = entry.get("max_ms")
    return Request(
        name=text(entry, "name", place) or ALL,
        count=whole(entry, count, place),
        failures=whole(entry, "failures", place),
        mean_s=number(entry, "mean_ms", place) / 1000,
        max_s=None if most is None else number(entry, "max_ms", place) / 1000,
        rate_per_s=number(entry, "requests_per_s", place) if "requests_per_s" in entry else None,
        percentiles_s={percent: number(entry, key, place) / 1000 for percent, key in _PERCENTILES.items()},
    )
