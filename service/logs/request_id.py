"""The id of the request that is being answered: in its log lines, its problem documents and its answer.

An id that a proxy or client sends is kept where it is harmless to log; else one is made.
"""

import itertools
import os
import re
from contextvars import ContextVar
from functools import cache

HEADER = "X-Request-Id"
# A UUID, a trace id, or the ids of common proxies; nothing that could break a line or a header.
WELL_FORMED = re.compile(r"[A-Za-z0-9._~:=+/-]{8,128}", re.ASCII)

current: ContextVar[str | None] = ContextVar("request_id", default=None)


def accepted(given: str | None) -> str:
    """The id that was sent, or a new one."""
    return given if given is not None and WELL_FORMED.fullmatch(given) else made()


def made() -> str:
    """A new id: 64 random bits of the process, and a count. A UUID for each request costs ten times as much."""
    prefix, count = _process(os.getpid())
    return f"{prefix}{next(count):08x}"


@cache
def _process(pid: int) -> tuple[str, "itertools.count[int]"]:
    """A forked worker has its own."""
    return os.urandom(8).hex(), itertools.count()
