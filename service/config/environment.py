"""Read the service's settings from ``HOTROW_*`` environment variables.

This module imports neither Django nor psycopg: gunicorn reads it in the master, before
gevent has patched anything.
"""

import os
from enum import StrEnum
from functools import cache

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# RFC 7518, section 3.2: an HS256 key has at least as many bits as the hash output.
MIN_KEY_BYTES = 32


class WorkerClass(StrEnum):
    GTHREAD = "gthread"
    GEVENT = "gevent"
    SYNC = "sync"


class ConnectionMode(StrEnum):
    """How a request gets its database connection (ADR 0004).

    ``pool``: a psycopg pool in the process. ``persistent``: one connection for each thread, kept
    for ``CONN_MAX_AGE``. ``per_request``: a new connection for each request.
    """

    POOL = "pool"
    PERSISTENT = "persistent"
    PER_REQUEST = "per_request"


class StrategyName(StrEnum):
    """A module of service/stock/strategies; the report's, its variants, and the kit's."""

    PESSIMISTIC = "pessimistic"
    OPTIMISTIC = "optimistic"
    CONDITIONAL = "conditional"
    FUNCTION = "function"
    BATCHED = "batched"
    BUCKETS = "buckets"
    UNITS = "units"


class Hasher(StrEnum):
    DJANGO = "django"
    ARGON2ID = "argon2id"


class LateConfirm(StrEnum):
    """What becomes of a payment for a hold that is over."""

    REFUSE = "refuse"
    REACQUIRE = "reacquire"


class CacheBackend(StrEnum):
    REDIS = "redis"
    MEMORY = "memory"
    NONE = "none"


class Environment(BaseSettings):
    """The settings of one process; each field is the variable ``HOTROW_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="HOTROW_", extra="ignore")

    debug: bool = False
    secret_key: SecretStr
    jwt_key: SecretStr
    allowed_hosts: str = "127.0.0.1,localhost"
    admin: bool = False
    """Whether this process serves Django's admin at /admin/."""
    admin_origins: str = ""
    """Where a proxy shows the admin, such as https://staff.example.com; several with commas."""
    database_url: SecretStr
    """A libpq connection URI or key-value string."""
    lane_database_url: SecretStr | None = None
    """Where batches go: a PgBouncer alias with a small pool. Without one, where all else goes."""

    strategy: StrategyName = StrategyName.BATCHED
    connection_mode: ConnectionMode = ConnectionMode.POOL
    pool_size: int = Field(default=10, ge=1, le=200)
    """Connections of one process in mode ``pool``."""
    pool_timeout_s: float = Field(default=2.0, gt=0, le=30)
    """How long a request waits for a connection before it is refused with 503."""
    hasher: Hasher = Hasher.ARGON2ID
    cache: CacheBackend = CacheBackend.MEMORY
    redis_url: SecretStr | None = None
    access_token_ttl_s: int = Field(default=900, ge=60, le=3600)
    reservation_ttl_s: int = Field(default=900, ge=1, le=86_400)
    payment_window_s: int = Field(default=1_800, ge=1, le=86_400)
    late_confirm: LateConfirm = LateConfirm.REFUSE

    broker_url: SecretStr | None = None
    """Where the worker and beat meet: a Redis database that evicts nothing. The API never asks it."""
    payment_url: str | None = None
    """The payment provider; without one there is no checkout."""
    payment_timeout_s: float = Field(default=10.0, gt=0, le=60)

    bind: str = "127.0.0.1:8000"
    worker_class: WorkerClass = WorkerClass.GEVENT
    workers: int = Field(default=0, ge=0, le=64)
    """0 means one for each core."""
    threads: int = Field(default=3, ge=1, le=128)
    """Threads of one gthread worker."""
    worker_connections: int = Field(default=1000, ge=1, le=10_000)
    """Requests that one gevent worker holds at a time."""
    max_requests: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "Environment":
        if len(self.jwt_key.get_secret_value().encode()) < MIN_KEY_BYTES:
            raise ValueError(f"HOTROW_JWT_KEY has fewer than {MIN_KEY_BYTES} bytes: make a longer one")
        if self.worker_class is WorkerClass.GEVENT and self.connection_mode is ConnectionMode.PERSISTENT:
            raise ValueError(
                "HOTROW_CONNECTION_MODE=persistent leaks connections under gevent, where every request "
                "is a new greenlet: use pool or per_request, or HOTROW_WORKER_CLASS=gthread"
            )
        if self.payment_window_s <= self.reservation_ttl_s:
            raise ValueError("HOTROW_PAYMENT_WINDOW_S must be longer than HOTROW_RESERVATION_TTL_S: make it longer")
        if self.cache is CacheBackend.REDIS and self.redis_url is None:
            raise ValueError("HOTROW_CACHE=redis needs HOTROW_REDIS_URL")
        return self

    @property
    def worker_count(self) -> int:
        return self.workers or os.cpu_count() or 1


@cache
def environment() -> Environment:
    """Read the environment once.

    Raises:
        SystemExit: A value is missing, wrong or contradicts another; the message names each.
    """
    try:
        return Environment()  # type: ignore[call-arg]  # read from the environment
    except ValidationError as error:
        lines = [
            f"  {'HOTROW_' + str(item['loc'][0]).upper() + ': ' if item['loc'] else ''}{item['msg']}"
            for item in error.errors()
        ]
        raise SystemExit("\n".join(["The service cannot start with these settings:", *lines])) from None
