"""How many logins an address and an account may try, counted before a password is hashed.

Counts are kept in Redis where there is one, so that all workers share them. While Redis does not
answer, each worker counts in its own memory: a limit that is looser, and no login that waits.
"""

import hashlib
import logging
import math
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.config.environment import environment
from service.metrics.instruments import LOGINS_REFUSED

logger = logging.getLogger(__name__)

# Of a Redis that is away each login would cost the timeout; it is asked again after this.
REDIS_REST_S = 5.0


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries in a window; ``name`` is what is counted: address or account."""

    name: str
    tries: int
    window_s: int


class TooManyTries(Exception):
    """The window's tries are used up."""

    def __init__(self, limit: Limit, reset_s: int) -> None:
        super().__init__(f"Too many logins of this {limit.name}; wait {reset_s} s.")
        self.limit = limit
        self.reset_s = reset_s

    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.limit.name}";q={self.limit.tries};w={self.limit.window_s}',
            "RateLimit": f'"{self.limit.name}";r=0;t={self.reset_s}',
        }


class Limiter:
    """Counts tries in windows that begin with the first of them.

    Args:
        redis_url: Where counts are shared; None for this process's memory alone.
        timeout_s: How long Redis may take.
    """

    def __init__(self, limits: tuple[Limit, ...], redis_url: str | None, timeout_s: float) -> None:
        self._limits = {limit.name: limit for limit in limits if limit.tries}
        self._memory = FixedWindowRateLimiter(MemoryStorage())
        self._shared = FixedWindowRateLimiter(_redis(redis_url, timeout_s)) if redis_url else None
        self._rests_until = 0.0

    def admit(self, name: str, key: str) -> None:
        """Count a try.

        Raises:
            TooManyTries: It is one too many.
        """
        limit = self._limits.get(name)
        if limit is None:
            return
        item, counted = RateLimitItemPerSecond(limit.tries, limit.window_s, "login"), _key(name, key)
        is_admitted, reset_at = self._ask(_hit, item, counted)
        if not is_admitted:
            LOGINS_REFUSED.labels(name).inc()
            raise TooManyTries(limit, max(1, math.ceil(reset_at - time.time())))

    def forget(self, name: str, key: str) -> None:
        """Begin anew: the tries so far were not in vain."""
        if limit := self._limits.get(name):
            item = RateLimitItemPerSecond(limit.tries, limit.window_s, "login")
            self._ask(FixedWindowRateLimiter.clear, item, _key(name, key))

    def _ask(self, function: Any, *args: Any) -> Any:
        if self._shared is not None and time.monotonic() >= self._rests_until:
            try:
                return function(self._shared, *args)
            except StorageError as error:
                self._rests_until = time.monotonic() + REDIS_REST_S
                logger.warning("logins are counted in this process alone: %s", error.storage_error)
        return function(self._memory, *args)


@cache
def limiter() -> Limiter:
    """The limiter of this process."""
    env = environment()
    return Limiter(
        (
            Limit("address", env.logins_per_address, env.login_window_s),
            Limit("account", env.logins_per_account, env.login_window_s),
        ),
        env.redis_url.get_secret_value() if env.redis_url else None,
        settings.REDIS_TIMEOUT_S,
    )


def _hit(strategy: FixedWindowRateLimiter, item: RateLimitItemPerSecond, key: str) -> tuple[bool, float]:
    if strategy.hit(item, key):
        return True, 0.0
    return False, strategy.get_window_stats(item, key).reset_time


def _key(name: str, key: str) -> str:
    """What is counted, without telling those who read Redis who tried."""
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _redis(url: str, timeout_s: float) -> Storage:
    # redis-py would try again ten times; the next login is soon enough.
    options: Any = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "key_prefix": "hotrow-limits",
    }
    return RedisStorage(url, wrap_exceptions=True, **options)
