"""Read the service's settings from ``HOTROW_*`` environment variables.

This module imports neither Django nor psycopg: gunicorn reads it in the master, before
gevent has patched anything.
"""

import os
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.config import addresses, keyring, passwords, secret_files


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


class Queries(StrEnum):
    """How the product list is read.

    ``one_statement``: the kit's. ``n_plus_one``: for the laboratory, as the report's service did: the whole
    table, and two statements for each product that is shown.
    """

    ONE_STATEMENT = "one_statement"
    N_PLUS_ONE = "n_plus_one"


class LateConfirm(StrEnum):
    """What becomes of a payment for a hold that is over."""

    REFUSE = "refuse"
    REACQUIRE = "reacquire"


class LogFormat(StrEnum):
    """Lines as JSON objects, or for people."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class CacheBackend(StrEnum):
    REDIS = "redis"
    MEMORY = "memory"
    NONE = "none"


class Environment(BaseSettings):
    """The settings of one process; each field is the variable ``HOTROW_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="HOTROW_", extra="ignore")

    debug: bool = False
    secret_key: SecretStr
    jwt_keys: SecretStr
    """The ring of service/config/keyring.py."""
    allowed_hosts: str = "127.0.0.1,localhost"
    admin: bool = False
    """Whether this process serves Django's admin at /admin/."""
    admin_origins: str = ""
    """Where a proxy shows the admin, such as https://staff.example.com; several with commas."""
    database_url: SecretStr
    """A libpq connection URI or key-value string."""
    lane_database_url: SecretStr | None = None
    """Where batches go: a PgBouncer alias with a small pool. Without one, where all else goes."""
    replica_url: SecretStr | None = None
    """A streaming replica that lists and availability are read on."""
    # With the 5 s that an availability is served from the cache, it is 10 s old at the most.
    replica_max_lag_s: float = Field(default=5.0, ge=2, le=60)
    """How far the replica may be behind."""
    # Some hundred times what a replica near by needs, and less than a person notices.
    replica_wait_s: float = Field(default=0.1, ge=0, le=1)
    """How long a read waits for the replica to have what its caller wrote."""
    database_password: SecretStr | None = None
    """Of the user in the addresses of the database, where they have none."""

    strategy: StrategyName = StrategyName.BATCHED
    connection_mode: ConnectionMode = ConnectionMode.POOL
    pool_size: int = Field(default=10, ge=1, le=200)
    """Connections of one process in mode ``pool``."""
    pool_timeout_s: float = Field(default=2.0, gt=0, le=30)
    """How long a request waits for a connection before it is refused with 503."""
    pgbouncer_max_clients: int | None = Field(default=None, ge=1)
    """PgBouncer's max_client_conn, so that the pools can be compared with it."""
    queries: Queries = Queries.ONE_STATEMENT
    hasher: Hasher = Hasher.ARGON2ID
    cache: CacheBackend = CacheBackend.MEMORY
    redis_url: SecretStr | None = None
    redis_password: SecretStr | None = None
    """Of the addresses of Redis, where they have none."""
    access_token_ttl_s: int = Field(default=900, ge=60, le=3600)
    refresh_token_ttl_s: int = Field(default=14 * 86_400, ge=120, le=366 * 86_400)
    """How long a session may rest before it ends."""
    session_ttl_s: int = Field(default=90 * 86_400, ge=120, le=366 * 86_400)
    """When a session ends, however often it is refreshed."""
    refresh_grace_s: int = Field(default=10, ge=0, le=60)
    """For so long after its use a refresh token that comes again is refused without ending the session."""
    login_window_s: int = Field(default=300, ge=1, le=3600)
    """Logins are counted over this time."""
    # OWASP ASVS 4.0, 2.2.1 allows 100 failed logins an hour on one account; 8 in 5 minutes are 96.
    logins_per_account: int = Field(default=8, ge=0, le=1_000_000)
    """Tries in one window since the last success; 0 is no limit."""
    # One each second: many buyers share the address of an office or of a mobile network.
    logins_per_address: int = Field(default=300, ge=0, le=1_000_000)
    """Tries in one window; 0 is no limit."""
    # At 20 ms a hash on two cores, the last of them waits about 3 s.
    login_queue: int = Field(default=256, ge=1, le=10_000)
    """Logins of one gevent worker that may wait for a hash; more are refused with 503."""
    trusted_proxies: str = ""
    """Whose X-Forwarded-For is believed: addresses and networks with commas, ``unix`` for a Unix socket."""
    reservation_ttl_s: int = Field(default=900, ge=1, le=86_400)
    payment_window_s: int = Field(default=1_800, ge=1, le=86_400)
    late_confirm: LateConfirm = LateConfirm.REFUSE

    broker_url: SecretStr | None = None
    """Where the worker and beat meet: a Redis database that evicts nothing. The API never asks it."""
    payment_url: str | None = None
    """The payment provider; without one there is no checkout."""
    payment_timeout_s: float = Field(default=10.0, gt=0, le=60)

    log_format: LogFormat = LogFormat.JSON
    log_level: LogLevel = LogLevel.INFO
    # A line costs a busy worker up to 100 us, so these take half a percent of its time; all of them would take
    # a seventh of each reservation's, and 5,000 a second would fill 100 GB a day (ADR 25).
    access_log_per_s: int = Field(default=50, ge=0, le=100_000)
    """Requests of one worker that are logged in a second at the most; faults (500) always are."""
    metrics_bind: str = ""
    """Where ``GET /metrics`` is served, such as 127.0.0.1:9180: never to the public. Without it, nothing is counted."""
    server_timing: bool = False
    """Whether answers say where their time went; they do with ``debug`` too."""
    api_docs: bool = False
    """Whether /api/docs shows the API to people."""
    capture_directory: str | None = None
    """Where statements are written as JSON lines; without one, none are."""
    capture_share: float = Field(default=0.01, gt=0, le=1)
    """Requests whose statements are written: 0.01 is one of a hundred."""

    bind: str = "127.0.0.1:8000"
    worker_class: WorkerClass = WorkerClass.GEVENT
    workers: int = Field(default=0, ge=0, le=64)
    """0 means one for each core."""
    threads: int = Field(default=3, ge=1, le=128)
    """Threads of one gthread worker."""
    worker_connections: int = Field(default=1000, ge=1, le=10_000)
    """Connections that one gevent worker holds at a time."""
    max_requests: int = Field(default=0, ge=0)
    # Little's law: the 1,200 requests/s that one worker serves at its best, times 20 ms (docs/adr/0024).
    max_in_flight: int = Field(default=24, ge=0, le=10_000)
    """Requests inside one worker at the most; more are refused with 503. 0 is no bound."""
    request_deadline_s: float = Field(default=10.0, ge=0, le=300)
    """How long a request is worth working on; 0 is for ever."""
    drain_s: float = Field(default=2.0, ge=0, le=10)
    """How long a worker that was told to stop still takes requests, with /readyz at 503."""

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        secrets = [
            name for name, field in cls.model_fields.items() if field.annotation in (SecretStr, SecretStr | None)
        ]
        found = secret_files.read([variable(name) for name in secrets], os.environ)
        return given | {name: found[variable(name)] for name in secrets if variable(name) in found}

    @field_validator("jwt_keys")
    @classmethod
    def _refuse_bad_keys(cls, given: SecretStr) -> SecretStr:
        keyring.parse(given.get_secret_value())
        return given

    @field_validator("database_url", "lane_database_url", "replica_url")
    @classmethod
    def _refuse_what_libpq_cannot_read(cls, given: SecretStr | None) -> SecretStr | None:
        # psycopg would say more, and must not be imported here.
        text = given.get_secret_value() if given else "="
        if "=" not in text and not text.startswith(("postgresql://", "postgres://")):
            raise ValueError("write postgresql://user:password@host/database, or key=value pairs")
        return given

    @field_validator("trusted_proxies")
    @classmethod
    def _refuse_what_is_no_network(cls, given: str) -> str:
        addresses.networks(given)
        return given

    @model_validator(mode="after")
    def _fill_in_passwords(self) -> "Environment":
        self._fill_in(self.database_password, "database_url", "lane_database_url", "replica_url")
        self._fill_in(self.redis_password, "redis_url", "broker_url")
        return self

    def _fill_in(self, password: SecretStr | None, *names: str) -> None:
        if password is None:
            return
        for name in names:
            if (address := getattr(self, name)) is not None:
                try:
                    whole = passwords.with_password(address.get_secret_value(), password.get_secret_value())
                except ValueError as error:
                    raise ValueError(f"{variable(name)}: {error}, and one is given beside it: remove one") from None
                setattr(self, name, SecretStr(whole))

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "Environment":
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

    @model_validator(mode="after")
    def _refuse_unsafe_accounts(self) -> "Environment":
        if self.refresh_token_ttl_s <= self.access_token_ttl_s:
            raise ValueError(
                "HOTROW_REFRESH_TOKEN_TTL_S must be longer than HOTROW_ACCESS_TOKEN_TTL_S: a session would end "
                "before its first refresh"
            )
        if self.session_ttl_s < self.refresh_token_ttl_s:
            raise ValueError(
                "HOTROW_SESSION_TTL_S is shorter than HOTROW_REFRESH_TOKEN_TTL_S: make it as long, or the other shorter"
            )
        return self

    @model_validator(mode="after")
    def _refuse_unsafe_addresses(self) -> "Environment":
        if self.debug and addresses.is_public(self.bind):
            raise ValueError(
                f"HOTROW_DEBUG=true shows settings and code to whoever reaches {self.bind}: "
                "set it to false, or HOTROW_BIND to 127.0.0.1:8000"
            )
        if self.queries is Queries.N_PLUS_ONE and addresses.is_public(self.bind):
            raise ValueError(
                f"HOTROW_QUERIES=n_plus_one is slow on purpose, for the laboratory, and {self.bind} is public: "
                "set it to one_statement, or HOTROW_BIND to 127.0.0.1:8000"
            )
        if self.metrics_bind and addresses.port(self.metrics_bind) is None:
            raise ValueError("HOTROW_METRICS_BIND is no address and port: write 127.0.0.1:9180, for example")
        if self.metrics_bind and addresses.port(self.metrics_bind) == addresses.port(self.bind):
            raise ValueError(
                "HOTROW_METRICS_BIND has the port of HOTROW_BIND: take another, which the public cannot reach"
            )
        if not addresses.words(self.allowed_hosts):
            raise ValueError("HOTROW_ALLOWED_HOSTS is empty, so every request is refused: name the hosts, with commas")
        return self

    @model_validator(mode="after")
    def _refuse_more_than_pgbouncer_takes(self) -> "Environment":
        if self.pgbouncer_max_clients is None or self.connection_mode is not ConnectionMode.POOL:
            return self
        # Batches go over one connection of each worker's own beside its pool.
        lanes = 1 if self.strategy is StrategyName.BATCHED else 0
        wanted = self.worker_count * (self.pool_size + lanes)
        if wanted > self.pgbouncer_max_clients:
            raise ValueError(
                f"{self.worker_count} workers may open {wanted} connections, and PgBouncer takes "
                f"{self.pgbouncer_max_clients}: make HOTROW_POOL_SIZE smaller, or max_client_conn and "
                "HOTROW_PGBOUNCER_MAX_CLIENTS larger"
            )
        return self

    @property
    def worker_count(self) -> int:
        return self.workers or os.cpu_count() or 1


def variable(field: str) -> str:
    """The environment variable of a field."""
    return "HOTROW_" + field.upper()


@cache
def environment() -> Environment:
    """Read the environment once.

    Raises:
        SystemExit: A value is missing, wrong or contradicts another; the message names each.
    """
    try:
        return Environment()  # type: ignore[call-arg]  # read from the environment
    except ValidationError as error:
        lines = [f"  {_sentence(str(item['loc'][0]) if item['loc'] else '', item['msg'])}" for item in error.errors()]
        raise SystemExit("\n".join(["The service cannot start with these settings:", *lines])) from None


def _sentence(field: str, message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{variable(field)}: {text}" if field else text
