"""Answers of the front door, ready to be sent: a refusal must cost next to nothing.

A refusal through gunicorn's parser and WSGI cost 238 us, one that is written as it stands 24 us, and
what a reservation costs is 700 (one core, 2026-11-22). At three times the capacity two of three
requests are refused, so the first would leave a third of the capacity for the rest.
"""

import json
from collections.abc import Callable
from itertools import cycle

MEDIA_TYPE = "application/problem+json"
# Clients that were refused together come back over so many seconds more, not together.
RETRY_SPREAD_S = 2
RETRY_AFTER_S = 1
STATUS = 503
_STATUS_LINE = "503 Service Unavailable"
Start = Callable[..., object]


class Refusal:
    """One problem document, with each Retry-After in turn."""

    def __init__(self, code: str, detail: str) -> None:
        document = {"type": f"urn:hotrow:problem:{code}", "status": STATUS, "code": code, "detail": detail}
        self._body = json.dumps(document).encode()
        seconds = range(RETRY_AFTER_S, RETRY_AFTER_S + RETRY_SPREAD_S + 1)
        headers = [self._headers(retry_after_s) for retry_after_s in seconds]
        self._headers_in_turn = cycle(headers)
        self._kept = cycle([self._raw(each) for each in headers])
        self._last = cycle([self._raw([*each, ("Connection", "close")]) for each in headers])

    def answer(self, start: Start) -> list[bytes]:
        """The refusal as a WSGI application gives it."""
        start(_STATUS_LINE, list(next(self._headers_in_turn)))
        return [self._body]

    def written(self, *, closes: bool) -> bytes:
        """The refusal as it goes over the wire; ``closes`` says so to the client."""
        return next(self._last if closes else self._kept)

    def _headers(self, retry_after_s: int) -> list[tuple[str, str]]:
        return [
            ("Content-Type", MEDIA_TYPE),
            ("Content-Length", str(len(self._body))),
            ("Retry-After", str(retry_after_s)),
        ]

    def _raw(self, headers: list[tuple[str, str]]) -> bytes:
        lines = [f"HTTP/1.1 {_STATUS_LINE}", *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode() + self._body


OVERLOAD = Refusal("overload", "The service has more requests than it can serve in time; try again.")
TOO_LATE = Refusal("deadline_exceeded", "The request waited longer than it may take; nothing was done.")
