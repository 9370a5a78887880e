"""Read a server's settings and what it counted, read-only; what cannot be read is noted with the reason."""

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from tuning.observe.catalog import OLDEST, Wrong
from tuning.observe.catalog_activity import setting_value
from tuning.observe.server_figures import Checkpoints, Counters, Jit, ServerFigures, Setting, Vacuum, Wal

Connection = psycopg.Connection[dict[str, Any]]
Value = TypeVar("Value")

CONNECT_TIMEOUT_S = 10
_LIMITS = (
    "SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '15s'; SET TRANSACTION READ ONLY;"
    " SET LOCAL search_path = pg_catalog"
)
_SETTINGS = """
    SELECT name, setting, unit, vartype, context, source, pending_restart, current_setting(name) AS text
      FROM pg_settings WHERE name <> 'transaction_read_only'"""
# The counters of a database without a reset may be older than the server's start: then there is no rate.
_COUNTERS = """
    SELECT extract(epoch FROM clock_timestamp() - max(stats_reset))::float8 AS seconds,
           sum(xact_commit + xact_rollback)::float8 AS commits, sum(temp_files)::float8 AS temp_files,
           sum(temp_bytes)::float8 AS temp_bytes, sum(blks_hit)::float8 AS blocks_hit,
           sum(blks_read)::float8 AS blocks_read, sum(deadlocks)::float8 AS deadlocks,
           bool_and(stats_reset IS NOT NULL) AS is_reset_known,
           extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS up_s,
           (SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts)::float8 AS snapshot_conflicts
           {workers}
      FROM pg_stat_database WHERE datname = current_database()"""
_WORKERS_18 = """,
           sum(parallel_workers_to_launch)::float8 AS workers_wanted,
           sum(parallel_workers_launched)::float8 AS workers_launched"""
_WAL = """
    SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 AS seconds, wal_bytes::float8 AS bytes,
           wal_fpi::float8 AS full_page_images, wal_buffers_full::float8 AS buffers_full
      FROM pg_stat_wal"""
# PostgreSQL 17 moved the counts from the writer to the checkpointer.
_CHECKPOINTS_16 = """
    SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 AS seconds,
           checkpoints_timed::float8 AS timed, checkpoints_req::float8 AS requested FROM pg_stat_bgwriter"""
_CHECKPOINTS_17 = """
    SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 AS seconds,
           num_timed::float8 AS timed, num_requested::float8 AS requested FROM pg_stat_checkpointer"""
_EXTENSION = """
    SELECT quote_ident(n.nspname) AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_stat_statements'"""
_JIT = """
    SELECT coalesce(sum(jit_functions), 0)::float8 AS compiled,
           coalesce(sum(jit_generation_time + jit_inlining_time + jit_optimization_time + jit_emission_time), 0)::float8
               AS compile_ms,
           coalesce(sum(total_exec_time) FILTER (WHERE jit_functions > 0), 0)::float8 AS execute_ms
      FROM {schema}.pg_stat_statements"""
# docs, Routine Vacuuming: the threshold of the autovacuum daemon; a table's own options go before the server's.
_VACUUM = """
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')::int AS running,
           (SELECT count(*) FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
             WHERE c.reloptions IS NULL AND s.n_dead_tup > current_setting('autovacuum_vacuum_threshold')::float8
                 + current_setting('autovacuum_vacuum_scale_factor')::float8 * greatest(c.reltuples, 0))::int AS due"""
_SIZES = "SELECT sum(pg_database_size(oid))::float8 AS databases_bytes FROM pg_database WHERE datallowconn"
_LARGEST = "SELECT coalesce(max(relpages), 0) * 8192.0::float8 AS bytes FROM pg_class WHERE relkind IN ('r', 'm', 't')"
_SESSIONS = """
    SELECT count(*)::int AS connections,
           coalesce(max(extract(epoch FROM clock_timestamp() - state_change))
                        FILTER (WHERE state LIKE 'idle in transaction%'), 0)::float8 AS idle_in_transaction_s
      FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
_SEES = "SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS sees, current_user::text AS role"
# How long the clock takes, with what the executor adds: an upper bound.
_CLOCK_READS = 20_000
_CLOCK = """
    SELECT extract(epoch FROM max(t) - min(t))::float8 * 1e9 / %s AS ns
      FROM (SELECT clock_timestamp() AS t FROM generate_series(1, %s) OFFSET 0) AS reads"""
_AVAILABLE = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS has"


def read(dsn: str) -> ServerFigures:
    """Read a server over one connection, each part in a transaction of its own.

    Raises:
        Wrong: The server is too old.
        psycopg.Error: It does not answer.
    """
    with psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        prepare_threshold=None,
        application_name="hotrow settings",
        row_factory=dict_row,
    ) as connection:
        version = connection.info.server_version
        if version < OLDEST:
            raise Wrong(f"PostgreSQL {version // 10000} is too old: 15 is the first that is read")
        parts = _Parts(connection)
        sizes = parts.row("sizes", _SIZES)
        largest = parts.row("largest table", _LARGEST)
        sessions = parts.asked("sessions", lambda: _sessions(connection))
        clock = parts.row("clock", _CLOCK, [_CLOCK_READS, _CLOCK_READS])
        available = parts.row("extensions", _AVAILABLE)
        settings = _settings(connection)
        return ServerFigures(
            version=version,
            is_replica=bool(connection.execute("SELECT pg_is_in_recovery() AS is_it").fetchall()[0]["is_it"]),
            settings=settings,
            counters=parts.asked("counters", lambda: _counters(connection, version)),
            wal=parts.asked("wal", lambda: Wal(**_row(connection, _WAL))),
            checkpoints=parts.asked(
                "checkpoints",
                lambda: Checkpoints(**_row(connection, _CHECKPOINTS_17 if version >= 170000 else _CHECKPOINTS_16)),
            ),
            jit=parts.asked("statements", lambda: _jit(connection)),
            vacuum=parts.asked("vacuum", lambda: Vacuum(**_row(connection, _VACUUM))),
            databases_bytes=sizes["databases_bytes"] if sizes else None,
            largest_table_bytes=largest["bytes"] if largest else None,
            connections=sessions["connections"] if sessions else None,
            idle_in_transaction_s=sessions["idle_in_transaction_s"] if sessions else None,
            clock_ns=clock["ns"] if clock else None,
            has_statements_extension=available["has"] if available else None,
            data_directory=settings["data_directory"].text if "data_directory" in settings else "",
            unreadable=parts.unreadable,
        )


class _Parts:
    """Reads part after part, and notes why one could not be."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.unreadable: dict[str, str] = {}

    def asked(self, name: str, ask: Callable[[], Value]) -> Value | None:
        try:
            with self.connection.transaction():
                self.connection.execute(_LIMITS)
                return ask()
        except (psycopg.Error, LookupError, PermissionError) as error:
            if self.connection.closed:
                raise
            self.unreadable[name] = " ".join(str(error).strip("'").split())
            return None

    def row(self, name: str, statement: str, parameters: list[int] | None = None) -> dict[str, Any] | None:
        return self.asked(name, lambda: _row(self.connection, statement, parameters))


def _row(connection: Connection, statement: str, parameters: list[int] | None = None) -> dict[str, Any]:
    (row,) = connection.execute(statement.encode(), parameters).fetchall()
    return row


def _settings(connection: Connection) -> dict[str, Setting]:
    return {
        row["name"]: Setting(
            value=setting_value(row["setting"], row["unit"], row["vartype"]),
            text=row["text"],
            context=row["context"],
            source=row["source"],
            is_pending=row["pending_restart"],
        )
        for row in connection.execute(_SETTINGS)
    }


def _counters(connection: Connection, version: int) -> Counters:
    row = _row(connection, _COUNTERS.format(workers=_WORKERS_18 if version >= 180000 else ""))
    # Without a reset the counters began at the start or before: a rate over this time is too high, never too low.
    is_known, up_s = row.pop("is_reset_known"), row.pop("up_s")
    return Counters(**row | {"seconds": row["seconds"] if is_known else up_s})


def _jit(connection: Connection) -> Jit:
    found = connection.execute(_EXTENSION).fetchall()
    if not found:
        raise LookupError("pg_stat_statements is not installed in this database: CREATE EXTENSION pg_stat_statements")
    return Jit(**_row(connection, _JIT.format(schema=found[0]["schema"])))


def _sessions(connection: Connection) -> dict[str, Any]:
    (row,) = connection.execute(_SEES).fetchall()
    if not row["sees"]:
        raise PermissionError(f'{row["role"]} does not see the sessions of others: GRANT pg_monitor TO "{row["role"]}"')
    return _row(connection, _SESSIONS)
