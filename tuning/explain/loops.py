"""Statements that requests send in a loop, with the time that goes into them, from captured lines."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tuning.explain.captures import call_of
from tuning.explain.errors import Unreadable
from tuning.explain.fingerprints import shape
from tuning.explain.rules.repeated_query import MIN_CALLS
from tuning.explain.subject import Loop


@dataclass(slots=True)
class Calls:
    """One request's calls of one shape; moments are seconds of the epoch."""

    count: int = 0
    database_ms: float = 0.0
    began_s: float = float("inf")
    ended_s: float = 0.0
    caller: str = ""

    def add(self, ms: float, at: object, caller: str) -> None:
        self.count += 1
        self.database_ms += ms
        self.caller = self.caller or caller
        try:
            ended_s = datetime.fromisoformat(str(at)).timestamp()
        except ValueError:
            return
        self.began_s = min(self.began_s, ended_s - ms / 1000)
        self.ended_s = max(self.ended_s, ended_s)

    @property
    def held_ms(self) -> float:
        """From the first to the last of them, with what the application did in between."""
        return max(self.database_ms, (self.ended_s - self.began_s) * 1000)


@dataclass(slots=True)
class Seen:
    """What captured lines hold: ``texts`` are the shapes with how often each was sent."""

    requests: dict[tuple[str, str, str], Calls] = field(default_factory=dict)
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)
    lines: int = 0
    broken: int = 0

    def loops(self) -> tuple[Loop, ...]:
        """Shapes that a request of the route sends three times or more, those first that cost most."""
        groups: dict[tuple[str, str], list[Calls]] = {}
        for (route, fingerprint, _), calls in self.requests.items():
            if calls.count >= MIN_CALLS:
                groups.setdefault((route, fingerprint), []).append(calls)
        found = [
            Loop(
                route=route,
                caller=next((each.caller for each in group if each.caller), ""),
                sql=self.texts[fingerprint][0],
                fingerprint=fingerprint,
                requests=len(group),
                calls=sum(each.count for each in group),
                most_calls=max(each.count for each in group),
                database_ms=sum(each.database_ms for each in group),
                pool_ms=sum(each.held_ms for each in group),
            )
            for (route, fingerprint), group in groups.items()
        ]
        return tuple(sorted(found, key=lambda loop: -(loop.database_ms + loop.pool_ms)))


def read(lines: Iterable[str]) -> Seen:
    """Read captured lines; those without a request's id count for what was sent, and for no loop.

    Raises:
        Unreadable: No line is a captured statement, or they are of a newer format.
    """
    seen = Seen()
    for line in lines:
        if not line.strip():
            continue
        call = call_of(line)
        if call is None:
            seen.broken += 1
            continue
        seen.lines += 1
        fingerprint, _ = shape(call["sql"])
        text, count = seen.texts.get(fingerprint, (call["sql"], 0))
        seen.texts[fingerprint] = (text, count + 1)
        duration = call.get("duration_ms")
        ms = float(duration) if isinstance(duration, int | float) and not isinstance(duration, bool) else 0.0
        if request := call.get("request_id"):
            key = (str(call.get("route") or ""), fingerprint, str(request))
            seen.requests.setdefault(key, Calls()).add(ms, call.get("at"), str(call.get("caller") or ""))
    if not seen.lines:
        raise Unreadable("there is no captured statement in it: each line is an object with v, sql and params")
    return seen
