"""The cache that all processes share: Redis behind its breaker, and the notices of what has changed."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from service.cache.breaker import SLOW_S, Breaker
from service.cache.entry import Entry, Found, Lifetime
from service.cache.notices import Notices
from service.cache.redis import RedisStore, StoreAway

# A reader whose process changed something waits this long for Redis to be told; a notice takes 20 ms.
SETTLE_S = 0.05

T = TypeVar("T")


class Shared:
    """Redis as one process sees it."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._notices = Notices(lambda tags: self._breaker.call(store.bump, tags))
        self._breaker = Breaker(self._probe, store.drop_connections)

    @property
    def is_away(self) -> bool:
        return self._breaker.is_open

    def visit(self) -> "Visit":
        return Visit(self._store, self._breaker, self._notices)

    def changed(self, tags: Mapping[str, int]) -> None:
        """Have Redis told in the background; never waits."""
        self._notices.add(tags)

    def ping(self) -> None:
        """Ask whether Redis is there.

        Raises:
            StoreAway: It is not.
        """
        self._breaker.call(self._store.ping)

    def _probe(self) -> None:
        """Redis may have kept what it had before the outage: first it is told what has changed."""
        self._store.ping()
        if not self._notices.flush(self._store.bump):
            raise StoreAway("the notices were not taken")


class Visit:
    """What one request asks of Redis; raises :exc:`StoreAway` from when it has waited long enough.

    One call may take the timeout of the settings, 100 ms, and is not begun when the others took more
    than 50: with the wait for notices, a request loses 200 ms at the most.
    """

    def __init__(self, store: RedisStore, breaker: Breaker, notices: Notices) -> None:
        self._store, self._breaker, self._notices = store, breaker, notices
        self._waited_s = 0.0

    def read(self, key: str, tag: str, lifetime: Lifetime) -> Found:
        if not self._breaker.is_open and not self._notices.is_told(tag, SETTLE_S):
            raise StoreAway("Redis does not know yet what has changed")
        return self._ask(self._store.read, key, tag, lifetime)

    def claim(self, key: str) -> str | None:
        return self._ask(self._store.claim, key)

    def write(self, key: str, tag: str, entry: Entry, *, epoch: str, lifetime: Lifetime, claim: str | None) -> bool:
        return self._ask(self._store.write, key, tag, entry, epoch=epoch, lifetime=lifetime, claim=claim)

    def release(self, key: str, claim: str) -> None:
        self._ask(self._store.release, key, claim)

    def _ask(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        if self._waited_s > SLOW_S:
            raise StoreAway("it is slow")
        began = time.monotonic()
        try:
            return self._breaker.call(call, *arguments, **options)
        finally:
            self._waited_s += time.monotonic() - began
