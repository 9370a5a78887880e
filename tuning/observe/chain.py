"""The links between a worker and PostgreSQL as their settings say: data alone, so who judges reaches no connection.

Passwords are not part of it. A link that was not given is None, and so is a value that its source does not tell.
"""

from dataclasses import dataclass, field

# psycopg_pool's defaults, as Django uses them: its reference, class ConnectionPool.
POOL_MIN_SIZE = 4
POOL_TIMEOUT_S = 30.0
# gunicorn's, as its reference of settings gives them.
WORKER_CONNECTIONS = 1000
SERVER_PORT = "5432"
_HERE = {"", "localhost", "127.0.0.1", "::1"}
# Classes in which each request is a new greenlet or task, so that no thread keeps its connection for the next.
GREENLETS = ("gevent", "eventlet", "tornado")
ASGI = ("uvicorn", "asgi")


def is_here(host: str) -> bool:
    """Whether a host is this machine; a path is a socket of it."""
    return host in _HERE or host.startswith("/")


@dataclass(frozen=True, slots=True)
class Pool:
    """Django's native pool of one alias; ``max_waiting`` 0 is without a bound."""

    min_size: int = POOL_MIN_SIZE
    max_size: int = POOL_MIN_SIZE
    timeout_s: float = POOL_TIMEOUT_S
    max_waiting: int = 0


@dataclass(frozen=True, slots=True)
class Alias:
    """One entry of ``DATABASES``.

    ``conn_max_age_s`` None keeps a connection for ever. ``options`` holds the names and values in ``OPTIONS`` that
    are no secrets. ``connections`` is how many one worker opens at the most, where the project's code bounds it.
    """

    name: str
    host: str = ""
    port: str = ""
    database: str = ""
    user: str = ""
    conn_max_age_s: float | None = 0
    has_health_checks: bool = False
    has_server_side_cursors: bool = True
    is_atomic: bool = False
    time_zone: str | None = None
    pool: Pool | None = None
    options: dict[str, object] = field(default_factory=dict)
    connections: int | None = None

    @property
    def keeps(self) -> bool:
        """Whether a thread keeps its connection from one request to the next."""
        return self.pool is None and self.conn_max_age_s != 0


@dataclass(frozen=True, slots=True)
class Project:
    """A Django project's side. ``libpq`` is as ``PQlibVersion`` counts: 170002 is 17.2."""

    django: tuple[int, ...]
    psycopg: tuple[int, ...]
    libpq: int | None
    aliases: tuple[Alias, ...]


@dataclass(frozen=True, slots=True)
class Workers:
    """gunicorn's side; ``early_imports`` are drivers that its configuration file imports before a worker is made."""

    worker_class: str = "sync"
    workers: int = 1
    threads: int = 1
    worker_connections: int = WORKER_CONNECTIONS
    is_preloaded: bool = False
    early_imports: tuple[str, ...] = ()

    @property
    def is_greenlets(self) -> bool:
        return any(name in self.worker_class.lower() for name in GREENLETS)

    @property
    def is_asgi(self) -> bool:
        return any(name in self.worker_class.lower() for name in ASGI)

    @property
    def concurrency(self) -> int:
        """Requests of one worker that can be under way at a time."""
        if self.is_greenlets or self.is_asgi:
            return self.worker_connections
        return self.threads


@dataclass(frozen=True, slots=True)
class PoolerDatabase:
    """One database as PgBouncer's clients name it, and what stands behind it; ``*`` is the fallback."""

    name: str
    host: str = ""
    port: str = ""
    database: str = ""
    pool_mode: str = ""
    pool_size: int | None = None
    reserve_size: int | None = None
    max_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Pooler:
    """PgBouncer; ``settings`` as SHOW CONFIG names them, ``version`` None where only its file was read."""

    version: tuple[int, ...] | None
    settings: dict[str, str]
    databases: tuple[PoolerDatabase, ...]

    def setting(self, name: str, default: str) -> str:
        return self.settings.get(name, default)

    def number(self, name: str, default: float) -> float:
        """A setting that counts or is in seconds."""
        try:
            return float(self.settings.get(name, default))
        except ValueError:
            return default

    def database(self, name: str) -> PoolerDatabase | None:
        by_name = {each.name: each for each in self.databases}
        return by_name.get(name) or by_name.get("*")

    def mode(self, database: str) -> str:
        """The pool mode that a client of this database gets."""
        found = self.database(database)
        return (found.pool_mode if found else "") or self.setting("pool_mode", "session")

    def lists(self, name: str) -> set[str]:
        """A setting that is a list with commas."""
        return {each.strip().lower() for each in self.setting(name, "").split(",") if each.strip()}


@dataclass(frozen=True, slots=True)
class Server:
    """PostgreSQL; ``role_settings`` are those that a new session of each user begins with."""

    version: int
    max_connections: int
    reserved_connections: int
    host: str = ""
    port: str = SERVER_PORT
    time_zone: str = "UTC"
    role_settings: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chain:
    """What was read; ``through_pooler`` names the aliases that connect to PgBouncer."""

    project: Project | None = None
    workers: Workers | None = None
    pooler: Pooler | None = None
    server: Server | None = None
    through_pooler: frozenset[str] = frozenset()

    @property
    def aliases(self) -> tuple[Alias, ...]:
        return self.project.aliases if self.project is not None else ()

    def pooled(self, *modes: str) -> list[Alias]:
        """The aliases that reach PgBouncer, and there one of these pool modes."""
        if self.pooler is None:
            return []
        return [
            each
            for each in self.aliases
            if each.name in self.through_pooler and (not modes or self.pooler.mode(each.database) in modes)
        ]

    def on_server(self) -> list[Alias]:
        """The aliases that end at the server, straight or through PgBouncer."""
        found = []
        for alias in self.aliases:
            target = (
                self.pooler.database(alias.database) if self.pooler and alias.name in self.through_pooler else alias
            )
            if target is not None and self.leads_to_server(target.host, target.port):
                found.append(alias)
        return found

    def leads_to_server(self, host: str, port: str) -> bool:
        """Whether this address can be the server's, which others may know by another name than this machine does."""
        if self.server is None or self.server.port not in (port or SERVER_PORT).split(","):
            return False
        names = host.split(",")
        return self.server.host in names or is_here(self.server.host) or any(is_here(name) for name in names)

    def clients(self, alias: Alias) -> int:
        """Connections that all workers together may open for an alias."""
        workers = self.workers or Workers()
        each = alias.pool.max_size if alias.pool is not None else workers.concurrency
        return workers.workers * min(each, alias.connections or each)
