"""The local stack: its parts in the order in which they start, and one way to end them all."""

import contextlib
import importlib.util
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version as package_version
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg.conninfo import make_conninfo

from tuning.stack import binaries, pgbouncer, postgres, redis, tuned, web, worker
from tuning.stack.accounts import server_account
from tuning.stack.children import PROBE_INTERVAL_S, Child, undisturbed
from tuning.stack.errors import PartDied, StackError
from tuning.stack.paths import InstancePaths
from tuning.stack.ports import HOST, claim
from tuning.stack.profiles import Profile
from tuning.stack.record import Part
from tuning.stack.secrets import load_or_make, write_private

# A fresh primary and replica with their write-ahead log, and room to work in.
MIN_FREE_BYTES = 512 * 1024 * 1024
MAX_CLIENT_CONN = 1000
# Somebody at work, and somebody who looks at it.
DIRECT_POOL_SIZE = 2

# The kernel closes the sockets of a killed process this long before its parent can see the end.
DEATH_NOTICE_S = 0.5

PART_NAMES = ("primary", "replica", "pgbouncer", "redis", "web", "payments", "metrics")
"""The parts that listen on a port."""
Report = Callable[[str], None]
# Who a person is when following the address that `hotrow status` shows.
_SHOWN_ROLES = {
    "primary": postgres.MIGRATOR_ROLE,
    "replica": postgres.GRANTED_ROLES["readonly"],
    "pgbouncer": postgres.GRANTED_ROLES["app"],
}


class Stack:
    """A running instance. Use it as a context manager: leaving it ends every process.

    ``notes`` says in sentences what this machine lacks and what the stack does instead.
    """

    def __init__(
        self,
        paths: InstancePaths,
        profile: Profile,
        *,
        postgres_bin: Path | None = None,
        ports: dict[str, int] | None = None,
        seed: bool = True,
        report: Report = lambda message: None,
    ) -> None:
        if importlib.util.find_spec("gunicorn") is None:
            raise StackError("the service's packages are missing: install hotrow[service,stack,load]")
        self.paths = paths
        self.profile = profile
        self.notes: list[str] = []
        self._report = report
        self._seed = seed
        self._children: dict[str, Child] = {}
        self._parts: dict[str, Part] = {}
        self._require_space()
        self._tuned = tuned.read(paths.tuned)
        self._account = server_account()
        self._binaries = binaries.postgres(postgres_bin, self._account)
        self._pgbouncer = self._optional("pgbouncer", profile.has_pgbouncer, "the service uses its own pool alone")
        self._redis = self._optional("redis-server", profile.has_redis, "each worker caches in its own memory")
        self._has_worker = profile.has_worker and self._redis is not None
        if profile.has_worker and not self._has_worker:
            self.notes.append("without Redis there is no worker: `python -m service.manage sweep` ends due holds")
        wanted = ports or {}
        if unknown := set(wanted) - set(PART_NAMES):
            raise StackError(f"there is no part {unknown.pop()}: --port takes one of {', '.join(PART_NAMES)}")
        self._ports = claim(PART_NAMES, wanted)

    def start(self) -> None:
        """Start every part of the profile.

        Raises:
            StackError: One did not start; those that had are ended.
        """
        try:
            self._start()
        except BaseException as error:
            try:
                self._explain(error)
            finally:
                self.stop()
            raise

    def stop(self) -> None:
        """End every process, the last started first."""
        with undisturbed():
            while self._children:
                self._children.popitem()[1].stop()

    def check(self) -> None:
        """Raise :exc:`PartDied` if a process ended."""
        for child in self._children.values():
            child.check()

    def end(self, part: str, *, is_killed: bool = False) -> None:
        """End one part and leave the others running, as a fault would; :meth:`begin` starts it again."""
        child = self._children[part]
        if is_killed:
            child.process.kill()
        child.stop()

    def begin(self, part: str) -> None:
        """Start a part that was ended, on the same port and with the same data.

        Raises:
            StackError: It does not start.
        """
        {"primary": self._start_primary, "replica": self._start_replica, "pgbouncer": self._start_pgbouncer}[part]()

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Neither a full disk nor a terminal that is gone keeps anything running.
            with contextlib.suppress(OSError):
                self._report("stopping")
            self._explain(error)
        finally:
            self.stop()

    @property
    def parts(self) -> list[Part]:
        return list(self._parts.values())

    @property
    def url(self) -> str:
        """Where the service answers."""
        return f"http://{HOST}:{self._ports['web']}"

    @property
    def metrics_url(self) -> str | None:
        """Where the service serves its metrics; None where it does not."""
        return f"http://{HOST}:{self._ports['metrics']}/metrics" if self.profile.has_metrics else None

    @property
    def direct(self) -> str:
        """The connection string of the migrator, who acts as the tables' owner, past PgBouncer."""
        return self._server("primary").conninfo(postgres.MIGRATOR_ROLE, self._secrets.migrator)

    def conninfo(self, kind: str, part: str = "primary") -> str:
        """The connection string of a kind of role (see ``postgres.GRANTED_ROLES``) to a part."""
        return self._server(part).conninfo(postgres.GRANTED_ROLES[kind], getattr(self._secrets, kind))

    @property
    def superuser(self) -> str:
        """The connection string of the superuser, past PgBouncer."""
        return self._server("primary").conninfo(postgres.SUPERUSER, self._secrets.superuser)

    @property
    def monitor(self) -> str:
        """The connection string of the role in pg_monitor, past PgBouncer."""
        return self._server("primary").conninfo(postgres.MONITOR_ROLE, self._secrets.monitor)

    @property
    def pooled(self) -> str:
        """The connection string of the service's role, through PgBouncer where there is one."""
        return self.conninfo(self.profile.role, "pgbouncer" if self._pgbouncer else "primary")

    @property
    def lane(self) -> str:
        """As ``pooled``, through the alias with the small pool for batches."""
        database = postgres.LANE_DATABASE if self._pgbouncer else postgres.DATABASE
        return make_conninfo(self.pooled, dbname=database)

    def pool_statistics(self) -> dict[str, int] | None:
        """PgBouncer's totals for the service's database and its lane; None without PgBouncer."""
        if self._pgbouncer is None:
            return None
        return pgbouncer.statistics(self.console, {postgres.DATABASE, postgres.LANE_DATABASE})

    @property
    def console(self) -> str:
        """The connection string of PgBouncer's console, where there is one."""
        return self._server("pgbouncer").conninfo(postgres.MONITOR_ROLE, self._secrets.monitor, "pgbouncer")

    def service_env(self) -> dict[str, str]:
        """The service's settings in this stack: ``HOTROW_*`` variables without their prefix."""
        env = {
            "SECRET_KEY": self._secrets.secret_key,
            "JWT_KEYS": f"local:{self._secrets.jwt_key}",
            "DATABASE_URL": self.pooled,
            "LANE_DATABASE_URL": self.lane,
            **self.profile.service,
            **self._tuned.service,
        }
        if self._pgbouncer is not None:
            env["PGBOUNCER_MAX_CLIENTS"] = self._tuned.pgbouncer.get("max_client_conn", str(MAX_CLIENT_CONN))
        if self.profile.has_replica and self.profile.has_replica_reads:
            env["REPLICA_URL"] = self.conninfo(self.profile.role, "replica")
        if self._redis is not None:
            env["REDIS_URL"] = f"redis://:{self._secrets.redis}@{HOST}:{self._ports['redis']}/0"
            env["BROKER_URL"] = f"redis://:{self._secrets.redis}@{HOST}:{self._ports['redis']}/1"
        elif env.get("CACHE") == "redis":
            env["CACHE"] = "memory"
        if self.profile.has_metrics:
            env["METRICS_BIND"] = f"{HOST}:{self._ports['metrics']}"
        if self._has_worker:
            env["PAYMENT_URL"] = f"http://{HOST}:{self._ports['payments']}"
        return env

    def manage(self, *arguments: str) -> None:
        """Run a management command of the service on a direct connection."""
        # Migrations wait for locks on their own terms; the role's limits are for requests.
        unlimited = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
        url = f"{self.direct} options='{unlimited}'"
        web.manage(list(arguments), {**self.service_env(), "DATABASE_URL": url, "CONNECTION_MODE": "per_request"})

    def _explain(self, error: BaseException | None) -> None:
        """Name the part whose end is behind an error, and put a database's error into words.

        Raises:
            PartDied: A part has ended.
            StackError: The database, or PgBouncer, did not do what was asked.
        """
        if not isinstance(error, (StackError, OSError, psycopg.Error)) or isinstance(error, PartDied):
            return
        deadline = time.monotonic() + DEATH_NOTICE_S
        while self._children and time.monotonic() < deadline:
            self.check()
            time.sleep(PROBE_INTERVAL_S)
        if isinstance(error, psycopg.Error):
            raise StackError(f"PostgreSQL: {str(error).strip() or type(error).__name__}") from error

    def _start(self) -> None:
        self._secrets = load_or_make(self.paths.secrets)
        # The servers' user passes through these two, and reads nothing in them.
        for directory in (self.paths.root, self.paths.root / "data"):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o711)
        self._start_postgres()
        self._start_pgbouncer()
        self._start_redis()
        self._migrate()
        if self._has_worker:
            self._start_worker()
        if self.profile.has_web:
            self._start_web()
        self._write_pgpass()

    def _start_postgres(self) -> None:
        primary = self._server("primary")
        self._start_primary()
        postgres.prepare(primary, self._secrets, self.profile.role_settings)
        if self.profile.has_replica:
            self._start_replica()

    def _start_replica(self) -> None:
        self._report("starting the streaming replica")
        primary, settings = self._server("primary"), self.profile.postgres_settings
        child = postgres.start_replica(
            self._server("replica"), primary, self._binaries, self._account, settings, self._secrets
        )
        self._add(child, self._address("replica"), self._binaries.version)
        child.wait_until(lambda: postgres.is_streaming(primary, self._secrets))

    def _start_primary(self) -> None:
        self._report(f"starting PostgreSQL {self._binaries.version}")
        settings = self.profile.postgres_settings
        child = postgres.start_primary(self._server("primary"), self._binaries, self._account, settings, self._secrets)
        self._add(child, self._address("primary"), self._binaries.version)

    def _start_pgbouncer(self) -> None:
        if self._pgbouncer is None:
            return
        self._report(f"starting PgBouncer {self._pgbouncer.version}")
        primary = self._server("primary")
        # All others are asked for: pgbouncer.ini's auth_query.
        users = {postgres.POOLER_ROLE: self._secrets.pooler, postgres.MONITOR_ROLE: self._secrets.monitor}
        child = pgbouncer.start(
            self._pgbouncer,
            self.paths.data("pgbouncer"),
            self.paths.log("pgbouncer"),
            self._account,
            port=self._ports["pgbouncer"],
            values={
                "DATABASE": postgres.DATABASE,
                "POSTGRES_HOST": HOST,
                "POSTGRES_PORT": str(primary.port),
                "POOL_SIZE": str(self.profile.pool_size),
                "LANE_POOL_SIZE": str(self.profile.lane_pool_size),
                "DIRECT_POOL_SIZE": str(DIRECT_POOL_SIZE),
                "MAX_CLIENT_CONN": str(MAX_CLIENT_CONN),
                "ADMIN_USER": postgres.MONITOR_ROLE,
                "AUTH_USER": postgres.POOLER_ROLE,
            },
            changes=self._tuned.pgbouncer,
            users=users,
            conninfo=self.pooled,
        )
        self._add(child, self._address("pgbouncer"), self._pgbouncer.version)

    def _start_redis(self) -> None:
        if self._redis is None:
            return
        self._report(f"starting Redis {self._redis.version}")
        child = redis.start(
            self._redis,
            self.paths.data("redis"),
            self.paths.log("redis"),
            self._account,
            port=self._ports["redis"],
            password=self._secrets.redis,
        )
        self._add(child, f"redis://{HOST}:{self._ports['redis']}/0", self._redis.version)

    def _migrate(self) -> None:
        self._report("applying the migrations")
        if self.profile.migrate_to:
            for application, migration in self.profile.migrate_to.items():
                self.manage("migrate", "--verbosity=0", application, migration)
        else:
            self.manage("migrate", "--verbosity=0")
        postgres.grant(self.direct)
        if self._seed:
            self._report("loading the demo data")
            self.manage("seed", "--if-empty")

    def _start_web(self) -> None:
        self._report("starting the service")
        child = web.start(self.paths.log("web"), self._ports["web"], self.service_env())
        self._add(child, self.url, f"gunicorn {package_version('gunicorn')}")

    def _start_worker(self) -> None:
        self._report("starting the worker, beat and a payment provider")
        port, version = self._ports["payments"], f"celery {package_version('celery')}"
        provider = worker.start_provider(self.paths.log("payments"), port)
        self._add(provider, f"http://{HOST}:{port}", "")
        broker = f"redis://{HOST}:{self._ports['redis']}/1"
        for start in (worker.start_worker, worker.start_beat):
            child = start(self.paths, self.service_env())
            self._add(child, broker, version)

    def _optional(self, name: str, is_wanted: bool, instead: str) -> binaries.Program | None:
        program = binaries.find(name) if is_wanted else None
        if is_wanted and program is None:
            self.notes.append(f"{name} is not installed: {instead} (`hotrow setup` installs it, given root)")
        return program

    def _server(self, name: str) -> postgres.Server:
        return postgres.Server(self.paths.data(name), self._ports[name], self.paths.log(name))

    def _address(self, name: str) -> str:
        user = f"postgresql://{_SHOWN_ROLES[name]}@{HOST}:{self._ports[name]}"
        return f"{user}/{postgres.DATABASE}?passfile={self.paths.pgpass}"

    def _write_pgpass(self) -> None:
        passwords = {
            postgres.MIGRATOR_ROLE: self._secrets.migrator,
            postgres.MONITOR_ROLE: self._secrets.monitor,
            **{role: getattr(self._secrets, kind) for kind, role in postgres.GRANTED_ROLES.items()},
        }
        lines = [f"{HOST}:*:*:{role}:{password}\n" for role, password in passwords.items()]
        write_private(self.paths.pgpass, "".join(lines))

    def _add(self, child: Child, address: str, version: str) -> None:
        self._children[child.name] = child
        self._parts[child.name] = Part(child.name, "running", address, version, child.pid)

    def _require_space(self) -> None:
        self.paths.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.paths.root).free
        if free < MIN_FREE_BYTES:
            raise StackError(
                f"{self.paths.root} has {free // 2**20} MiB free, and the stack needs {MIN_FREE_BYTES // 2**20} MiB: "
                "make room, or set HOTROW_STATE_DIR to a larger disk"
            )
