"""The front door: a WSGI application before Django's that refuses what would only wait."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from service.config import addresses
from service.front import deadline, refusals
from service.front.counts import counts
from service.front.limit import Limit

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
# Who asks whether the process lives must be answered, above all when it is busy.
PROBES = ("/healthz", "/readyz", "/metrics")

arrival: ContextVar[float | None] = ContextVar("arrival", default=None)
"""When a worker that queues requests itself first saw this one, on the monotonic clock."""
_inside = threading.Lock()
_parked_s: ContextVar[float | None] = ContextVar("parked_s", default=None)
"""How long this request was outside meanwhile; None for what did not come through the door."""


@contextmanager
def parked() -> Iterator[None]:
    """Let a request count as outside, and its time as nobody's, while it waits in a queue with a bound of its own.

    Else a burst of logins, which wait for their hashes, would keep all others out.
    """
    before_s = _parked_s.get()
    if before_s is None:
        yield
        return
    began = time.monotonic()
    with _inside:
        counts.inside -= 1
    try:
        yield
    finally:
        with _inside:
            counts.inside += 1
        _parked_s.set(before_s + time.monotonic() - began)


class Door:
    """Lets a request in, or refuses it without Django.

    Args:
        application: What is behind the door.
        limit: How many may be inside at a time.
        deadline_s: How long a request may take; 0 is for ever.
        trusted_proxies: Who may say when a request came, as ``HOTROW_TRUSTED_PROXIES``.
    """

    def __init__(self, application: Application, *, limit: Limit, deadline_s: float, trusted_proxies: str) -> None:
        self._application = application
        self._limit = limit
        self._deadline_s = deadline_s
        self._proxies = addresses.networks(trusted_proxies)
        self._is_unix_trusted = addresses.UNIX in addresses.words(trusted_proxies)

    def __call__(self, environ: dict[str, Any], start: refusals.Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] in PROBES:
            deadline.end()
            return self._application(environ, start)
        if self._limit.is_full():
            counts.shed += 1
            return refusals.OVERLOAD.answer(start)
        now = time.monotonic()
        arrived = arrival.get() or now
        ends = deadline.begin(environ, arrived, self._deadline_s, is_proxy_trusted=self._trusts(environ))
        if ends <= now:
            counts.expired += 1
            return refusals.TOO_LATE.answer(start)
        with _inside:
            counts.inside += 1
            counts.admitted += 1
        _parked_s.set(0.0)
        try:
            return self._application(environ, start)
        finally:
            now = time.monotonic()
            arrived += _parked_s.get() or 0.0
            _parked_s.set(None)
            with _inside:
                counts.inside -= 1
                self._limit.ended(now - arrived, now)

    def _trusts(self, environ: dict[str, Any]) -> bool:
        if deadline.PROXY_HEADER not in environ:
            return False
        remote = environ.get("REMOTE_ADDR", "")
        return addresses.is_in(remote, self._proxies) if remote else self._is_unix_trusted
