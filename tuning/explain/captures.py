"""Read captured statements, one JSON object a line, and group them by shape and route."""

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuning.explain.captured_values import plain
from tuning.explain.errors import Unreadable
from tuning.explain.fingerprints import shape
from tuning.explain.requests import Calls, Key, Requests, duration_ms
from tuning.explain.subject import Repeats, Statement

FORMAT_VERSION = 1
# Findings name a few of the places that a statement comes from.
CALLERS_TOLD = 3
# Repeats of this many requests are kept for a statement; more of the same tell nothing new.
REQUESTS_TOLD = 100
# How often it is said how far the reading is: every tenth of a second or so.
LINES_TOLD = 5_000


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
    requests: int = 0
    repeats: list[tuple[int, int, str, int]] = field(default_factory=list)
    """A heap of the requests that sent it most: calls, the negative place, the request, and calls of same values."""

    def add(self, call: Mapping[str, Any]) -> None:
        ms = duration_ms(call)
        self.calls += 1
        self.total_ms += ms
        # One that was cut or failed is no good to run.
        if ms > self.slowest_ms and not call.get("error") and not call.get("truncated"):
            self.slowest_ms, self.is_cut = ms, False
            self.sql, self.values = call["sql"], call.get("params")
            if call.get("many") and isinstance(self.values, list) and self.values:
                self.values = self.values[0]
        self.sql = self.sql or call["sql"]
        caller = str(call.get("caller") or "")
        if caller and len(self.callers) < CALLERS_TOLD:
            self.callers.setdefault(caller)

    def add_request(self, request: str, calls: Calls) -> None:
        """Keep what a whole request sent, if few sent more."""
        self.requests += 1
        sent = (calls.count, -self.requests, request, calls.same_values)
        if len(self.repeats) < REQUESTS_TOLD:
            heapq.heappush(self.repeats, sent)
        else:
            heapq.heappushpop(self.repeats, sent)

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
        for calls, _, request, same in sorted(self.repeats, reverse=True):
            yield Repeats(request, self.route, calls, same, tuple(self.callers))


@dataclass(slots=True)
class Reading:
    """``lines`` are captured statements, ``broken`` the lines that are none."""

    lines: int = 0
    broken: int = 0

    def calls(self, lines: Iterable[str], tell: Callable[[str], None] = lambda _: None) -> Iterator[Mapping[str, Any]]:
        """Yield the captured calls one by one, counted.

        Raises:
            Unreadable: No line is a captured statement, or they are of a newer format.
        """
        for line in lines:
            if not line.strip():
                continue
            call = call_of(line)
            if call is None:
                self.broken += 1
                continue
            self.lines += 1
            if self.lines % LINES_TOLD == 0:
                tell(f"reading captured statements: {self.lines:,}")
            yield call
        if not self.lines:
            raise Unreadable("there is no captured statement in it: each line is an object with v, sql and params")


def group(lines: Iterable[str], tell: Callable[[str], None] = lambda _: None) -> tuple[list[Group], int]:
    """Group captured lines, the group with the most time first; also how many lines could not be read.

    No line is kept: memory grows with the number of groups, not with that of lines.

    Raises:
        Unreadable: No line is a captured statement, or they are of a newer format.
    """
    groups: dict[Key, Group] = {}
    requests = Requests(lambda request, key, calls: groups[key].add_request(request, calls))
    reading = Reading()
    for call in reading.calls(lines, tell):
        fingerprint, text = shape(call["sql"])
        key = (fingerprint, str(call.get("route") or ""))
        found = groups.get(key)
        if found is None:
            found = groups[key] = Group(fingerprint, text, key[1])
        found.add(call)
        if request := call.get("request_id"):
            requests.add(str(request), key, call)
    requests.close()
    return sorted(groups.values(), key=lambda each: -each.total_ms), reading.broken


def call_of(line: str) -> Mapping[str, Any] | None:
    """The captured call of a line; None where it is none, or its text is none that PostgreSQL could take."""
    try:
        call = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or not isinstance(call.get("sql"), str) or not _is_text(call["sql"]):
        return None
    if call.get("v", FORMAT_VERSION) != FORMAT_VERSION:
        raise Unreadable(f"the capture is of format {call['v']!r}; this command reads {FORMAT_VERSION}")
    return call


def _is_text(sql: str) -> bool:
    """Whether PostgreSQL could be sent it: without NUL bytes and halves of surrogate pairs."""
    try:
        return "\0" not in sql and bool(sql.isascii() or sql.encode())
    except UnicodeEncodeError:
        return False


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
