"""A PostgreSQL primary and its streaming replica, made and started with the server's own programs."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tuning.stack.accounts import Account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.children import PROBE_INTERVAL_S, STOP_TIMEOUT_S, Child, run, running_in, spawn
from tuning.stack.errors import StackError
from tuning.stack.ports import HOST
from tuning.stack.secrets import Secrets, write_private

FILES = Path(__file__).resolve().parents[2] / "postgres"
"""Settings and roles, which the deployment's image has as well."""
SUPERUSER = "postgres"
OWNER_ROLE = "hotrow_owner"
MIGRATOR_ROLE = "hotrow_migrator"
# Roles that sql/functions/grant_access gives their rights, by kind.
GRANTED_ROLES = {kind: f"hotrow_{kind}" for kind in ("app", "admin", "lab", "readonly")}
REPLICATION_ROLE = "hotrow_replicator"
MONITOR_ROLE = "hotrow_monitor"
POOLER_ROLE = "hotrow_pooler"
DATABASE = "hotrow"
LANE_DATABASE = "hotrow_lane"
"""PgBouncer's name for the same database, with a small pool for batches."""
DIRECT_DATABASE = "hotrow_direct"
"""PgBouncer's name for the same database in session mode, for whoever needs a session of its own."""
REPLICATION_SLOT = "hotrow_replica"

_HBA = f"""\
# Written at each start.
local all         all                scram-sha-256
host  all         all                {HOST}/32  scram-sha-256
host  replication {REPLICATION_ROLE} {HOST}/32  scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Where one server of the instance keeps its data and listens."""

    data: Path
    port: int
    log: Path

    def conninfo(self, user: str, password: str, dbname: str = DATABASE) -> str:
        return make_conninfo(host=HOST, port=self.port, user=user, password=password, dbname=dbname, connect_timeout=5)


def start_primary(
    server: Server, binaries: PostgresBinaries, account: Account, settings: Mapping[str, str], secrets: Secrets
) -> Child:
    """Initialise the data directory if there is none, and start the server on it.

    Raises:
        StackError: The directory belongs to another major version, or the server does not start.
    """
    if _has_data(server, binaries):
        _require_unused(server)
    else:
        _initialise(server, binaries, account, secrets)
    return _start("primary", server, binaries, account, settings, secrets)


def start_replica(
    server: Server,
    primary: Server,
    binaries: PostgresBinaries,
    account: Account,
    settings: Mapping[str, str],
    secrets: Secrets,
) -> Child:
    """Copy the primary if there is no replica yet, and start it streaming."""
    source = make_conninfo(
        host=HOST, port=primary.port, user=REPLICATION_ROLE, password=secrets.replicator, application_name="replica"
    )
    if _has_data(server, binaries):
        _require_unused(server)
    else:
        staging = _staging(server, account)
        with _superuser(primary, secrets) as connection:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                [REPLICATION_SLOT],
            )
        run(
            [
                str(binaries.directory / "pg_basebackup"),
                f"--dbname={_without_password(source)}",
                f"--pgdata={staging}",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--create-slot",
                f"--slot={REPLICATION_SLOT}",
                "--no-sync",
            ],
            account=account,
            doing="copying the primary",
            env=_environment() | {"PGPASSWORD": secrets.replicator},
        )
        staging.rename(server.data)
    (server.data / "standby.signal").touch()
    account.give(server.data / "standby.signal")
    streaming = {"primary_conninfo": source, "primary_slot_name": REPLICATION_SLOT, "hot_standby": "on"}
    return _start("replica", server, binaries, account, {**settings, **streaming}, secrets)


def prepare(server: Server, secrets: Secrets, role_settings: Mapping[str, str]) -> None:
    """Make the roles and the database of the service, or bring them to these settings.

    The settings are set on the granted roles.
    """
    with _superuser(server, secrets) as connection:
        for kind in ("migrator", *GRANTED_ROLES, "replicator", "monitor", "pooler"):
            connection.execute("SELECT set_config(%s, %s, false)", [f"hotrow.{kind}_password", getattr(secrets, kind)])
        connection.execute((FILES / "roles.sql").read_bytes())
        for name in GRANTED_ROLES.values():
            connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(name)))
            for setting, value in role_settings.items():
                connection.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(
                        sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)
                    )
                )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            names = [sql.Identifier(name) for name in (DATABASE, OWNER_ROLE)]
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    with _superuser(server, secrets, DATABASE) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute((FILES / "pooler.sql").read_bytes())
        connection.execute((FILES / "failover.sql").read_bytes())
    # As PgBouncer will ask: what is wrong with it is said here. It also writes the catalogue's cache anew, which those
    # files have made void, and without which a full disk would let nobody in to say that it is full.
    with psycopg.connect(server.conninfo(POOLER_ROLE, secrets.pooler)) as connection:
        connection.execute("SELECT FROM pooler.user_lookup(%s)", [GRANTED_ROLES["app"]])


def grant(conninfo: str) -> None:
    """Give the roles what their kinds need; the connection is the migrator's, after the migrations."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for kind, name in GRANTED_ROLES.items():
            connection.execute("SELECT grant_access_v1(%s, %s)", [name, kind])


def answers(conninfo: str) -> bool:
    """Whether a query can be answered over this connection string."""
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def is_streaming(primary: Server, secrets: Secrets) -> bool:
    """Whether the replica receives what the primary writes."""
    with _superuser(primary, secrets) as connection:
        row = connection.execute(
            "SELECT 1 FROM pg_stat_replication WHERE application_name = 'replica' AND state = 'streaming'"
        ).fetchone()
    return row is not None


def _superuser(server: Server, secrets: Secrets, dbname: str = SUPERUSER) -> psycopg.Connection:
    return psycopg.connect(server.conninfo(SUPERUSER, secrets.superuser, dbname), autocommit=True)


def _has_data(server: Server, binaries: PostgresBinaries) -> bool:
    """Whether the data directory was initialised; refuses one of another major version."""
    marker = server.data / "PG_VERSION"
    if not marker.exists():
        if server.data.is_dir() and any(server.data.iterdir()):
            raise StackError(f"{server.data} is not empty and holds no PostgreSQL data: remove it or the instance")
        return False
    made_by = marker.read_text().strip()
    if made_by != str(binaries.major):
        raise StackError(
            f"{server.data} was made by PostgreSQL {made_by}, and this is {binaries.version}: use --postgres-bin with "
            f"version {made_by}, or remove the data with `hotrow down --purge`"
        )
    return True


def _require_unused(server: Server) -> None:
    """Let a server that is going go, refuse one that stays, and forget one that is gone.

    PostgreSQL itself takes over a stale postmaster.pid, but not when another process of the user has
    that number by now, as after a restart of the machine.

    Raises:
        StackError: A server runs on the data directory.
    """
    file = server.data / "postmaster.pid"
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while pids := running_in(server.data, "postgres"):
        if not _is_going(file) or time.monotonic() > deadline:
            raise StackError(f"a PostgreSQL server (pid {min(pids)}) already runs on {server.data}: end it first")
        time.sleep(PROBE_INTERVAL_S)
    with contextlib.suppress(OSError, ValueError, IndexError):
        if Path(f"/proc/{int(file.read_text().splitlines()[0])}").exists():
            file.unlink()


def _is_going(pid_file: Path) -> bool:
    """Whether the server has begun to stop, or is gone and its processes have not noticed yet."""
    try:
        lines = pid_file.read_text().splitlines()
        return "stopping" in lines[-1] or not Path(f"/proc/{lines[0]}").exists()
    except (OSError, IndexError):
        return True


def _initialise(server: Server, binaries: PostgresBinaries, account: Account, secrets: Secrets) -> None:
    staging = _staging(server, account)
    password_file = server.data.with_name(f"{server.data.name}.password")
    write_private(password_file, secrets.superuser + "\n")
    account.give(password_file)
    try:
        run(
            [
                str(binaries.directory / "initdb"),
                f"--pgdata={staging}",
                f"--username={SUPERUSER}",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
                "--no-sync",
            ],
            account=account,
            doing="initdb",
            env=_environment(),
        )
    finally:
        password_file.unlink()
    staging.rename(server.data)


def _staging(server: Server, account: Account) -> Path:
    """An empty directory that becomes the data directory once it is whole: a stop leaves no half of one."""
    staging = server.data.with_name(f"{server.data.name}.new")
    if staging.exists():
        shutil.rmtree(staging)
    account.own(staging)
    return staging


def _start(
    name: str,
    server: Server,
    binaries: PostgresBinaries,
    account: Account,
    settings: Mapping[str, str],
    secrets: Secrets,
) -> Child:
    lines = [f"{key} = '{_quoted(value)}'\n" for key, value in {**settings, "port": str(server.port)}.items()]
    for file, text in {"hotrow.conf": "".join(lines), "pg_hba.conf": _HBA}.items():
        write_private(server.data / file, text)
        account.give(server.data / file)
    main = server.data / "postgresql.conf"
    if "include 'hotrow.conf'" not in main.read_text():
        with main.open("a") as configuration:
            configuration.write("include 'hotrow.conf'\n")
    child = spawn(
        name,
        [str(binaries.directory / "postgres"), "-D", str(server.data)],
        log=server.log,
        account=account,
        env=_environment(),
        stop_signal=signal.SIGINT,  # fast shutdown
        home=server.data,
    )
    try:
        child.wait_until(lambda: answers(server.conninfo(SUPERUSER, secrets.superuser, SUPERUSER)))
    except BaseException:
        child.stop()
        raise
    return child


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _without_password(conninfo: str) -> str:
    return make_conninfo(conninfo, password=None)


def _environment() -> dict[str, str]:
    """The caller's environment without libpq's variables, which would redirect the programs."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}
