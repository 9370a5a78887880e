"""Until when the request at hand is worth working on.

A request that waits looks here before it takes what it waited for: a connection, a place in a batch, a
thread to hash in. What was sent to the database is waited for, whatever the time: its outcome counts.
The commands and the worker have no deadline.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar

from service.front.counts import counts

# Set by what clients write: a caller that wants to wait less says so (seconds, as in 2.5).
CLIENT_HEADER = "HTTP_REQUEST_TIMEOUT"
# Set by a proxy: when the request came, in seconds since 1970, with "t=" before it or without.
PROXY_HEADER = "HTTP_X_REQUEST_START"
NEVER = float("inf")

_ends: ContextVar[float] = ContextVar("deadline", default=NEVER)


class DeadlinePassed(Exception):
    """The request was given up before it did anything more; the same request may be sent again."""

    code = "deadline_exceeded"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("The request waited longer than it may take; nothing was done.")


def begin(environ: Mapping[str, str], arrived: float, limit_s: float, *, is_proxy_trusted: bool) -> float:
    """Set the deadline of this request and return it.

    Args:
        environ: The headers, as WSGI names them.
        arrived: When this process first saw the request, on the monotonic clock.
        limit_s: How long a request may take; 0 is for ever.
        is_proxy_trusted: Whether the other end of the connection may say when the request came.
    """
    came = _seconds(environ.get(PROXY_HEADER, "").removeprefix("t=")) if is_proxy_trusted else None
    if came is not None:
        # A time that is still to come is another unit, or a clock that is ahead: then it came just now.
        arrived -= max(0.0, time.time() - came)
    wanted_s = _seconds(environ.get(CLIENT_HEADER, ""))
    limits = [each for each in (limit_s or None, wanted_s) if each is not None]
    ends = arrived + min(limits) if limits else NEVER
    _ends.set(ends)
    return ends


def end() -> None:
    """Forget the deadline: what follows in this thread or greenlet is another request's."""
    _ends.set(NEVER)


def current() -> float:
    """The deadline on the monotonic clock; infinite where there is none."""
    return _ends.get()


def left_s() -> float:
    """How much time is left, in seconds; 0 or less where it has passed."""
    return _ends.get() - time.monotonic()


def check(ends: float | None = None) -> None:
    """Give up what is not worth beginning any more.

    Args:
        ends: The deadline to look at, for threads that are not the request's own; else its own.

    Raises:
        DeadlinePassed: It has passed.
    """
    if (_ends.get() if ends is None else ends) <= time.monotonic():
        counts.expired += 1
        raise DeadlinePassed


def _seconds(text: str) -> float | None:
    """A number above 0; None for whatever else somebody wrote."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 < found < NEVER else None
