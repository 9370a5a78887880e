"""Read captured statements, one JSON object a line, and group them by shape and route."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuning.explain.captured_values import plain
from tuning.explain.errors import Unreadable
from tuning.explain.fingerprints import shape
from tuning.explain.subject import Repeats, Statement

FORMAT_VERSION = 1
# Findings name a few of the places that a statement comes from.
CALLERS_TOLD = 3
# Repeats of this many requests are kept for a statement; more of the same tell nothing new.
REQUESTS_TOLD = 100


@dataclass(slots=True)
class Group:
    """Calls of one shape on one route; the slowest of them is the one that is explained."""

    fingerprint: str
    text: str
    route: str
    sql: str = ""
    values: Any = None
    is_cut: bool = True
    """Whether the text or the values of that call were cut, or it failed."""
    calls: int = 0
    total_ms: float = 0.0
    slowest_ms: float = -1.0
    callers: dict[str, None] = field(default_factory=dict)
    requests: dict[str, dict[int, int]] = field(default_factory=dict)
    """For each request how often it sent which values."""

    def statement(self) -> Statement:
        return Statement(
            fingerprint=self.fingerprint,
            text=self.text,
            sql=self.sql,
            route=self.route,
            calls=self.calls,
            total_ms=self.total_ms,
            callers=tuple(self.callers),
            repeats=tuple(self._repeats()) if self.requests else None,
        )

    def _repeats(self) -> Iterator[Repeats]:
        counted = sorted(self.requests.items(), key=lambda each: -sum(each[1].values()))
        for request, values in counted[:REQUESTS_TOLD]:
            calls = sum(values.values())
            yield Repeats(request, self.route, calls, calls - len(values), tuple(self.callers))


def group(lines: Iterable[str]) -> tuple[list[Group], int]:
    """Group captured lines, the group with the most time first; also how many lines could not be read.

    Raises:
        Unreadable: No line is a captured statement, or they are of a newer format.
    """
    groups: dict[tuple[str, str], Group] = {}
    broken = 0
    for line in lines:
        if not line.strip():
            continue
        call = call_of(line)
        if call is None:
            broken += 1
        else:
            _add(groups, call)
    if not groups:
        raise Unreadable("there is no captured statement in it: each line is an object with v, sql and params")
    return sorted(groups.values(), key=lambda each: -each.total_ms), broken


def call_of(line: str) -> Mapping[str, Any] | None:
    """The captured call of a line; None where it is none."""
    try:
        call = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or not isinstance(call.get("sql"), str) or "\0" in call["sql"]:
        return None
    if call.get("v", FORMAT_VERSION) != FORMAT_VERSION:
        raise Unreadable(f"the capture is of format {call['v']!r}; this command reads {FORMAT_VERSION}")
    return call


def _add(groups: dict[tuple[str, str], Group], call: Mapping[str, Any]) -> None:
    fingerprint, text = shape(call["sql"])
    route = str(call.get("route") or "")
    found = groups.get((fingerprint, route))
    if found is None:
        found = groups[fingerprint, route] = Group(fingerprint, text, route)
    duration = call.get("duration_ms")
    ms = float(duration) if isinstance(duration, int | float) and not isinstance(duration, bool) else 0.0
    found.calls += 1
    found.total_ms += ms
    # One that was cut or failed is no good to run.
    if ms > found.slowest_ms and not call.get("error") and not call.get("truncated"):
        found.slowest_ms, found.is_cut = ms, False
        found.sql, found.values = call["sql"], call.get("params")
        if call.get("many") and isinstance(found.values, list) and found.values:
            found.values = found.values[0]
    found.sql = found.sql or call["sql"]
    caller = str(call.get("caller") or "")
    if caller and len(found.callers) < CALLERS_TOLD:
        found.callers.setdefault(caller)
    if request := call.get("request_id"):
        counts = found.requests.setdefault(str(request), {})
        values = hash(json.dumps(call.get("params"), sort_keys=True))
        counts[values] = counts.get(values, 0) + 1


def values_of(found: Group) -> list[Any] | dict[str, Any] | None:
    """The values of the group's slowest call as Python's; None where it was sent without any.

    Raises:
        Unreadable: They are neither a list nor an object, or were cut or kept out.
    """
    if found.is_cut:
        raise Unreadable("each captured call of it failed, or was cut for its length: explain it by hand with --sql")
    values = found.values
    if values is None or values in ([], {}):
        return None
    if isinstance(values, list):
        return [plain(value) for value in values]
    if isinstance(values, dict) and not {"type", "value"} <= set(values):
        return {name: plain(value) for name, value in values.items()}
    raise Unreadable("params are neither a list nor an object")
