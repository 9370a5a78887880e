"""Read one snapshot of a live server, read-only, over one connection; what cannot be read is noted with the reason."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from tuning.observe import catalog_activity, catalog_extensions, catalog_relations
from tuning.observe.metering import cursors
from tuning.observe.relations import Index
from tuning.observe.snapshot import Hardware, ReplicaUse, Snapshot
from tuning.observe.spent import Spent

Value = TypeVar("Value")
Connection = psycopg.Connection[dict[str, Any]]

CONNECT_TIMEOUT_S = 10
OLDEST = 150000
# Reading the catalog waits for nobody for long: a lock that DDL holds is a reason to say so, not to hang. Only names
# of the catalog itself are meant, whatever the role's path has in front.
_TIMEOUTS = (
    "SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '15s'; SET TRANSACTION READ ONLY;"
    " SET LOCAL search_path = pg_catalog"
)
_IDENTITY = """
    SELECT pg_is_in_recovery() AS is_replica, current_database()::text AS database,
           (SELECT system_identifier::text FROM pg_control_system()) AS cluster"""


class Wrong(ValueError):
    """What was given is no server that can be read for this."""


def read(
    dsn: str,
    replicas: Iterable[str] = (),
    *,
    hardware: Hardware | None = None,
    tell: Callable[[str], None] = lambda _: None,
    spent: Spent | None = None,
) -> Snapshot:
    """Read a server, and what the replicas count of their own.

    Args:
        replicas: Addresses of replicas of this server, in the same database.
        hardware: The server's, where it is known.
        tell: Is told what is read next.
        spent: What it costs the servers is added to this.

    Raises:
        Wrong: The server is too old, or a replica is not one of this server.
        psycopg.Error: A server does not answer.
    """
    spent = spent if spent is not None else Spent()
    with _connection(dsn, spent) as connection:
        if connection.info.server_version < OLDEST:
            raise Wrong(
                f"PostgreSQL {connection.info.server_version // 10000} is too old: 15 is the first that is read"
            )
        identity = _identity(connection)
        reader = _Reader(connection, tell)
        indexes = reader.sized("indexes", catalog_relations.indexes)
        densities: dict[int, float] = reader.part(
            "density", lambda: catalog_extensions.densities(connection, indexes), {}
        )
        expected: dict[int, int] = reader.part(
            "widths", lambda: catalog_extensions.expected_sizes(connection, indexes), {}
        )
        snapshot = Snapshot(
            version=connection.info.server_version,
            is_replica=identity["is_replica"],
            database=reader.part("database", lambda: catalog_activity.database(connection), None),
            settings=reader.part("settings", lambda: catalog_activity.settings(connection), {}),
            tables=reader.sized("tables", catalog_relations.tables),
            indexes=tuple(catalog_extensions.with_sizes(index, densities, expected) for index in indexes),
            foreign_keys=reader.part("foreign_keys", lambda: catalog_relations.foreign_keys(connection), ()),
            sequences=reader.part("sequences", lambda: catalog_relations.sequences(connection), ()),
            sessions=reader.part("sessions", lambda: catalog_activity.sessions(connection), ()),
            replication=reader.part(
                "replication", lambda: catalog_activity.replication(connection), Snapshot(0).replication
            ),
            statements=reader.part("statements", lambda: catalog_extensions.statements(connection), ()),
            predicates=reader.part("predicates", lambda: catalog_extensions.predicates(connection), ()),
            hardware=hardware,
            unreadable=reader.unreadable,
        )
    uses = tuple(_use(address, number, identity, tell, spent) for number, address in enumerate(replicas, 1))
    return replace(snapshot, replicas_read=uses)


class _Reader:
    """Reads parts one after the other, each in a transaction of its own, and notes which could not be."""

    def __init__(self, connection: Connection, tell: Callable[[str], None]) -> None:
        self.connection = connection
        self.tell = tell
        self.unreadable: dict[str, str] = {}

    def part(self, name: str, ask: Callable[[], Value], otherwise: Value) -> Value:
        self.tell(name.replace("_", " "))
        began = time.monotonic()
        try:
            with self.connection.transaction():
                self.connection.execute(_TIMEOUTS)
                return ask()
        except psycopg.errors.QueryCanceled:
            self.unreadable[name] = f"reading {name.replace('_', ' ')} took over {time.monotonic() - began:.0f} s"
        except (psycopg.Error, LookupError, PermissionError) as error:
            if self.connection.closed:
                raise
            self.unreadable[name] = " ".join(str(error).strip("'").split())
        return otherwise

    def sized(self, name: str, ask: Callable[..., tuple[Any, ...]]) -> tuple[Any, ...]:
        """Read with sizes; where DDL holds a lock, with those that VACUUM noted."""

        def both() -> tuple[Any, ...]:
            try:
                with self.connection.transaction():
                    return ask(self.connection, is_sized=True)
            except psycopg.errors.LockNotAvailable:
                return ask(self.connection, is_sized=False)

        return self.part(name, both, ())


def _use(dsn: str, number: int, primary: dict[str, Any], tell: Callable[[str], None], spent: Spent) -> ReplicaUse:
    tell(f"replica {number}")
    with _connection(dsn, spent) as connection:
        identity = _identity(connection)
        if not identity["is_replica"] or identity["cluster"] != primary["cluster"]:
            raise Wrong(
                f"--replica {number} is no replica of the server of --dsn: give the address of one that streams"
            )
        if identity["database"] != primary["database"]:
            raise Wrong(f"--replica {number} is in the database {identity['database']}, not {primary['database']}")
        with connection.transaction():
            connection.execute(_TIMEOUTS)
            indexes: tuple[Index, ...] = catalog_relations.indexes(connection, is_sized=False)
            tables = catalog_relations.tables(connection, is_sized=False)
            database = catalog_activity.database(connection)
    return ReplicaUse(
        statistics_age_s=database.statistics_age_s,
        index_scans={index.oid: index.scans for index in indexes},
        index_last_scan_s_ago={index.oid: index.last_scan_s_ago for index in indexes},
        table_scans={table.oid: (table.seq_scans, table.index_scans) for table in tables},
    )


def _identity(connection: Connection) -> dict[str, Any]:
    (row,) = connection.execute(_IDENTITY).fetchall()
    return row


def _connection(dsn: str, spent: Spent) -> Connection:
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        prepare_threshold=None,
        application_name="hotrow advise",
        row_factory=dict_row,
        cursor_factory=cursors(spent),
    )
