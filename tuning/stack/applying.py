"""Give a running instance other settings, and take them back; what needs a restart is in force after the next start."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tuning.stack import postgres, record, tuned
from tuning.stack.accounts import server_account
from tuning.stack.errors import StackError
from tuning.stack.paths import InstancePaths
from tuning.stack.ports import HOST
from tuning.stack.record import Part, Record
from tuning.stack.secrets import load_or_make, write_private
from tuning.stack.tuned import Tuned

# Lists: ALTER SYSTEM takes each member by itself.
_LISTS = ("shared_preload_libraries",)
# A standby does not start with less than its primary had (PostgreSQL's manual, Administrator's Overview).
_STANDBY_FLOORS = ("max_connections", "max_worker_processes")
# The file, and not what is in force: a reload comes later, and a restart-only value stays until the restart.
_BEFORE = """
    SELECT wanted.name,
           (SELECT f.setting FROM pg_file_settings AS f
             WHERE f.name = wanted.name AND f.sourcefile LIKE '%%postgresql.auto.conf' ORDER BY f.seqno DESC LIMIT 1)
      FROM unnest(%s::text[]) AS wanted (name)"""
# What only a start takes is told there as if it could not be applied; its value was parsed by ALTER SYSTEM.
_ERRORS = """
    SELECT string_agg(coalesce(f.name || ': ', '') || f.error, '; ') FROM pg_file_settings AS f
      LEFT JOIN pg_settings AS s ON s.name = f.name
     WHERE f.error IS NOT NULL AND s.context IS DISTINCT FROM 'postmaster'"""


@dataclass(frozen=True, slots=True)
class Instance:
    """A stack that runs: how its parts are reached, and what its profile and ``tuned`` make of the service."""

    paths: InstancePaths
    record: Record

    @classmethod
    def of(cls, name: str) -> "Instance":
        """Find it.

        Raises:
            StackError: It does not run.
        """
        paths = InstancePaths.of(name)
        found = record.read(paths.record)
        if found is None or found.state != "ready" or not record.is_held(paths):
            raise StackError(f"instance {name} is not running: `hotrow up --instance {name}` starts it")
        return cls(paths, found)

    def part(self, name: str) -> Part | None:
        return next((part for part in self.record.parts if part.name == name), None)

    def superuser(self, name: str = "primary") -> str:
        return self._conninfo(name, postgres.SUPERUSER, postgres.DATABASE, "superuser")

    def monitor(self) -> str:
        return self._conninfo("primary", postgres.MONITOR_ROLE, postgres.DATABASE, "monitor")

    def console(self) -> str | None:
        """The address of PgBouncer's console; None where the instance has no PgBouncer."""
        if self.part("pgbouncer") is None:
            return None
        return self._conninfo("pgbouncer", postgres.MONITOR_ROLE, "pgbouncer", "monitor")

    def ports(self) -> dict[str, int]:
        """The port of each part that has one of its own in the record."""
        kept = ("primary", "replica", "pgbouncer", "redis", "web")
        return {part.name: _port(part.address) for part in self.record.parts if part.name in kept}

    def _conninfo(self, part: str, user: str, database: str, kind: str) -> str:
        found = self.part(part)
        if found is None:
            raise StackError(f"instance {self.record.instance} has no {part}")
        password = getattr(load_or_make(self.paths.secrets), kind)
        return make_conninfo(host=HOST, port=_port(found.address), user=user, password=password, dbname=database)


def apply(
    instance: Instance,
    postgresql: Mapping[str, str],
    pgbouncer: Mapping[str, str],
    service: Mapping[str, str],
) -> tuple[str, ...]:
    """Write the values and reload, and return what would take each back.

    ``postgresql`` is by name, ``pgbouncer`` and ``service`` as in ``Tuned``. What a reload does not take waits for a
    restart of the instance, which is the caller's.

    Raises:
        StackError: A server refuses a value: then none is in force.
    """
    before = tuned.read(instance.paths.tuned)
    ini = _ini(instance) if pgbouncer else ""
    changed = tuned.configured(ini, pgbouncer)
    old = _values(instance, postgresql)
    _alter(instance, postgresql, old)
    reverse = [_statement(name, value) for name, value in old.items()]
    reverse += [f"pgbouncer.ini: {key} = {value}" for key, value in tuned.current(ini, pgbouncer).items()]
    reverse += [f"HOTROW_{name}: as before" for name in service]
    try:
        if pgbouncer:
            _reload_pgbouncer(instance, changed)
        tuned.write(
            instance.paths.tuned,
            Tuned(
                pgbouncer={**before.pgbouncer, **pgbouncer},
                service={**before.service, **service},
                postgresql_before={**old, **before.postgresql_before},
                pgbouncer_before={**tuned.current(ini, pgbouncer), **before.pgbouncer_before},
            ),
        )
    except BaseException:
        with contextlib.suppress(psycopg.Error, StackError):
            _alter(instance, old, old)
        if pgbouncer:
            with contextlib.suppress(psycopg.Error, OSError, StackError):
                _reload_pgbouncer(instance, ini)
        raise
    return tuple(reverse)


def need_restart(instance: Instance, names: Iterable[str]) -> bool:
    """Whether one of these settings of PostgreSQL is taken at a start alone."""
    with psycopg.connect(instance.superuser(), autocommit=True) as connection:
        statement = "SELECT 1 FROM pg_settings WHERE context = 'postmaster' AND name = ANY (%s)"
        return connection.execute(statement, [list(names)]).fetchone() is not None


def undo(instance: Instance) -> Tuned:
    """Take back everything that was applied, and return what it was.

    Raises:
        StackError: A server refuses.
    """
    found = tuned.read(instance.paths.tuned)
    now = _values(instance, found.postgresql_before)
    _alter(instance, found.postgresql_before, now)
    if found.pgbouncer:
        ini = _ini(instance)
        kept = {key: value for key, value in found.pgbouncer_before.items() if key in found.pgbouncer}
        added = set(found.pgbouncer) - set(kept)
        lines = [line for line in ini.splitlines() if line.partition(" = ")[0] not in added]
        _reload_pgbouncer(instance, tuned.configured("\n".join(lines) + "\n", kept))
    tuned.write(instance.paths.tuned, Tuned())
    return found


def _values(instance: Instance, names: Iterable[str]) -> dict[str, str | None]:
    with psycopg.connect(instance.superuser(), autocommit=True) as connection:
        return dict(connection.execute(_BEFORE, [list(names)]).fetchall())


def _alter(instance: Instance, values: Mapping[str, str | None], old: Mapping[str, str | None]) -> None:
    """Set all of them, on the replica too; where one is refused, none."""
    servers = [name for name in ("primary", "replica") if instance.part(name) is not None]
    done: list[tuple[str, str]] = []
    try:
        for server in servers:
            with psycopg.connect(instance.superuser(server), autocommit=True) as connection:
                for name, value in values.items():
                    if server == "replica" and name in _STANDBY_FLOORS and _is_lower(connection, name, value):
                        continue
                    _set(connection, name, value)
                    done.append((server, name))
                row = connection.execute("SELECT pg_reload_conf()").fetchone()
                assert row is not None
                errors = connection.execute(_ERRORS).fetchone()
                if errors is not None and errors[0]:
                    raise StackError(f"the {server} refuses its configuration: {errors[0]}")
    except (psycopg.Error, StackError) as error:
        for server, name in reversed(done):
            with (
                contextlib.suppress(psycopg.Error),
                psycopg.connect(instance.superuser(server), autocommit=True) as connection,
            ):
                _set(connection, name, old.get(name))
                connection.execute("SELECT pg_reload_conf()")
        raise StackError(f"nothing was applied: {str(error).strip()}") from error


def _set(connection: psycopg.Connection, name: str, value: str | None) -> None:
    if value is None:
        connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
        return
    members = [each.strip() for each in value.split(",")] if name in _LISTS else [value]
    text = sql.SQL(", ").join(sql.Literal(each) for each in members)
    connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), text))


def _is_lower(connection: psycopg.Connection, name: str, value: str | None) -> bool:
    row = connection.execute("SELECT current_setting(%s)::int", [name]).fetchone()
    return row is not None and (value is None or int(value) < row[0])


def _statement(name: str, value: str | None) -> str:
    return f"ALTER SYSTEM RESET {name}" if value is None else f"ALTER SYSTEM SET {name} = '{value}'"


def _ini(instance: Instance) -> str:
    return (instance.paths.data("pgbouncer") / "pgbouncer.ini").read_text()


def _reload_pgbouncer(instance: Instance, text: str) -> None:
    file = instance.paths.data("pgbouncer") / "pgbouncer.ini"
    before = file.read_text()
    account = server_account()
    console = instance.console()
    assert console is not None
    try:
        write_private(file, text)
        account.give(file)
        with psycopg.connect(console, autocommit=True, prepare_threshold=None) as connection:
            connection.execute("RELOAD")
    except (OSError, psycopg.Error) as error:
        write_private(file, before)
        account.give(file)
        raise StackError(f"PgBouncer did not take its settings: {str(error).strip()}") from error


def _port(address: str) -> int:
    return int(address.partition("://")[2].rpartition("@")[2].partition("/")[0].rpartition(":")[2])
