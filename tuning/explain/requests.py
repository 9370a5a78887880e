"""What each captured request sent of each shape, in memory that does not grow with the number of requests."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# Ours: a service writes each request whole into the file of its process, so few are under way between any two lines.
# A file that was sorted by time may mix those of some hundred processes.
MOST_OPEN = 10_000

Key = tuple[str, str]
"""The fingerprint and the route."""


@dataclass(slots=True)
class Calls:
    """One request's calls of one shape; moments are seconds of the epoch, ``values`` are hashes."""

    count: int = 0
    database_ms: float = 0.0
    began_s: float = float("inf")
    ended_s: float = 0.0
    caller: str = ""
    values: set[int] = field(default_factory=set)

    @property
    def held_ms(self) -> float:
        """From the first to the last of them, with what the application did in between."""
        return max(self.database_ms, (self.ended_s - self.began_s) * 1000)

    @property
    def same_values(self) -> int:
        """Calls with values that an earlier one had."""
        return self.count - len(self.values)


class Requests:
    """Takes calls one by one and hands over what a request sent once it seems to be complete.

    Args:
        complete: Is given the request, the shape and route, and its calls of it.
        most_open: When so many requests are under way, the one that was silent for longest is complete.
    """

    def __init__(self, complete: Callable[[str, Key, Calls], None], most_open: int = MOST_OPEN) -> None:
        self._complete = complete
        self._most_open = most_open
        self._open: OrderedDict[str, dict[Key, Calls]] = OrderedDict()

    def add(self, request: str, key: Key, call: Mapping[str, Any]) -> None:
        """Count a captured call."""
        found = self._open.get(request)
        if found is None:
            if len(self._open) >= self._most_open:
                self._end(*self._open.popitem(last=False))
            found = self._open[request] = {}
        else:
            self._open.move_to_end(request)
        calls = found.setdefault(key, Calls())
        ms = duration_ms(call)
        calls.count += 1
        calls.database_ms += ms
        calls.caller = calls.caller or str(call.get("caller") or "")
        calls.values.add(hash(repr(call.get("params"))))
        try:
            ended_s = datetime.fromisoformat(str(call.get("at"))).timestamp()
        except (ValueError, OverflowError):
            return
        calls.began_s = min(calls.began_s, ended_s - ms / 1000)
        calls.ended_s = max(calls.ended_s, ended_s)

    def close(self) -> None:
        """Hand over those that are left."""
        while self._open:
            self._end(*self._open.popitem(last=False))

    def _end(self, request: str, sent: dict[Key, Calls]) -> None:
        for key, calls in sent.items():
            self._complete(request, key, calls)


def duration_ms(call: Mapping[str, Any]) -> float:
    """How long a captured call took; 0 where the line does not tell."""
    given = call.get("duration_ms")
    if not isinstance(given, int | float) or isinstance(given, bool):
        return 0.0
    try:
        ms = float(given)
    except OverflowError:
        return 0.0
    return ms if math.isfinite(ms) else 0.0
