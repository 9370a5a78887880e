"""Requests at a fixed rate, each timed from when it was due.

A client that waits for an answer before it asks again hides a stall: it asks less while the server is
slow. Here a request that could not be sent in time counts its wait.
"""

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tuning.stack.errors import StackError

TIMEOUT_S = 30.0
# The first requests open connections and fill caches.
WARM_UP_S = 1.0
Ask = Callable[[http.client.HTTPConnection, int], int]


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests of one kind: ``ask`` sends number n over a connection and returns the status.

    ``callers`` is how many may be under way; more than the rate times the slowest answer is enough.
    """

    name: str
    per_s: float
    callers: int
    ask: Ask


@dataclass(slots=True)
class Heard:
    """What came of a stream after the warm-up; ``failed`` were answered with 400 or more, or not at all."""

    latencies_ms: list[float] = field(default_factory=list)
    failed: int = 0


def run(url: str, streams: Sequence[Stream], *, seconds: float) -> dict[str, Heard]:
    """Send all streams at the same time, for the warm-up and so many seconds more."""
    heard = {stream.name: Heard() for stream in streams}
    start = time.perf_counter() + 0.1
    threads = []
    for stream in streams:
        numbers = itertools.count()
        arguments = (url, stream, numbers, start, seconds, heard[stream.name])
        threads += [threading.Thread(target=_call, args=arguments, daemon=True) for _ in range(stream.callers)]
    _run_all(threads)
    return heard


def saturate(url: str, ask: Ask, *, callers: int, seconds: float) -> float:
    """Let so many callers ask again and again; return answers below 400 in a second.

    All begin at once and finish what they began, so the server has work from the first to the last answer.

    Raises:
        StackError: A request failed.
    """
    numbers, done = itertools.count(), list[float]()
    failed: list[float] = []
    start = time.perf_counter()

    def call() -> None:
        connection = _connection(url)
        while time.perf_counter() < start + seconds:
            status = _status(connection, ask, next(numbers))
            (done if status < http.HTTPStatus.BAD_REQUEST else failed).append(time.perf_counter())
        connection.close()

    _run_all([threading.Thread(target=call, daemon=True) for _ in range(callers)])
    if failed or not done:
        raise StackError(f"{len(failed)} of {len(failed) + len(done)} requests failed: see the log of the service")
    return len(done) / (max(done) - start)


def _call(
    url: str, stream: Stream, numbers: "itertools.count[int]", start: float, seconds: float, heard: Heard
) -> None:
    connection = _connection(url)
    while (due := start + next(numbers) / stream.per_s) < start + WARM_UP_S + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        status = _status(connection, stream.ask, round((due - start) * stream.per_s))
        if due >= start + WARM_UP_S:
            heard.latencies_ms.append((time.perf_counter() - due) * 1_000)
            heard.failed += status >= http.HTTPStatus.BAD_REQUEST
    connection.close()


def _status(connection: http.client.HTTPConnection, ask: Ask, number: int) -> int:
    try:
        return ask(connection, number)
    except (OSError, http.client.HTTPException):
        connection.close()
        return http.HTTPStatus.SERVICE_UNAVAILABLE


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)


def _run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
