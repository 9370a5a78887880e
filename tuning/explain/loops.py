"""Statements that requests send in a loop, with the time that goes into them, from captured lines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tuning.explain.captures import Reading
from tuning.explain.fingerprints import shape
from tuning.explain.requests import Calls, Key, Requests
from tuning.explain.rules.repeated_query import MIN_CALLS
from tuning.explain.subject import Loop


@dataclass(slots=True)
class Repeated:
    """What the requests of a route sent of one shape, those that sent it three times or more."""

    requests: int = 0
    calls: int = 0
    most_calls: int = 0
    database_ms: float = 0.0
    held_ms: float = 0.0
    caller: str = ""

    def add(self, calls: Calls) -> None:
        self.requests += 1
        self.calls += calls.count
        self.most_calls = max(self.most_calls, calls.count)
        self.database_ms += calls.database_ms
        self.held_ms += calls.held_ms
        self.caller = self.caller or calls.caller


@dataclass(slots=True)
class Seen:
    """What captured lines hold: ``texts`` are the shapes with how often each was sent."""

    repeated: dict[Key, Repeated] = field(default_factory=dict)
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)
    lines: int = 0
    broken: int = 0

    def __str__(self) -> str:
        broken = f"; {self.broken:,} lines are none" if self.broken else ""
        return f"{self.lines:,} captured statements of {len(self.texts):,} shapes{broken}"

    def loops(self) -> tuple[Loop, ...]:
        """Shapes that a request of the route sends three times or more, those first that cost most."""
        found = [
            Loop(
                route=route,
                caller=each.caller,
                sql=self.texts[fingerprint][0],
                fingerprint=fingerprint,
                requests=each.requests,
                calls=each.calls,
                most_calls=each.most_calls,
                database_ms=each.database_ms,
                pool_ms=each.held_ms,
            )
            for (fingerprint, route), each in self.repeated.items()
        ]
        return tuple(sorted(found, key=lambda loop: -(loop.database_ms + loop.pool_ms)))


def read(lines: Iterable[str], tell: Callable[[str], None] = lambda _: None) -> Seen:
    """Read captured lines; those without a request's id count for what was sent, and for no loop.

    Raises:
        Unreadable: No line is a captured statement, or they are of a newer format.
    """
    seen = Seen()
    reading = Reading()

    def complete(_: str, key: Key, calls: Calls) -> None:
        if calls.count >= MIN_CALLS:
            seen.repeated.setdefault(key, Repeated()).add(calls)

    requests = Requests(complete)
    for call in reading.calls(lines, tell):
        fingerprint, _ = shape(call["sql"])
        text, count = seen.texts.get(fingerprint, (call["sql"], 0))
        seen.texts[fingerprint] = (text, count + 1)
        if request := call.get("request_id"):
            requests.add(str(request), (fingerprint, str(call.get("route") or "")), call)
    requests.close()
    seen.lines, seen.broken = reading.lines, reading.broken
    return seen
