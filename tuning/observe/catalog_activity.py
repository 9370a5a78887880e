"""The queries for sessions, replicas, the database's counters and settings."""

from typing import Any

import psycopg

from tuning.observe.activity import Backend, Prepared, Replica, Replication, Slot
from tuning.observe.snapshot import Database

Connection = psycopg.Connection[dict[str, Any]]

# Another role's sessions have no state and no text for whoever lacks this.
SEES_SESSIONS = "SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS sees"

# pg_blocking_pids stops the lock manager for a moment: only for those that wait.
_SESSIONS = """
    SELECT s.pid, coalesce(s.usename, '')::text AS user, coalesce(s.application_name, '') AS application,
           coalesce(s.datname, '')::text AS database, coalesce(s.backend_type, '') AS kind,
           coalesce(s.state, '') AS state, coalesce(s.wait_event_type || '/' || s.wait_event, '') AS wait,
           coalesce(s.query, '') AS query,
           extract(epoch FROM clock_timestamp() - s.backend_start)::float8 AS session_age_s,
           extract(epoch FROM clock_timestamp() - s.xact_start)::float8 AS transaction_age_s,
           CASE WHEN s.state = 'active' THEN extract(epoch FROM clock_timestamp() - s.query_start) END::float8
               AS query_age_s,
           extract(epoch FROM clock_timestamp() - s.state_change)::float8 AS state_age_s,
           extract(epoch FROM clock_timestamp() - (
               SELECT min(l.waitstart) FROM pg_locks AS l WHERE l.pid = s.pid AND NOT l.granted))::float8 AS waited_s,
           greatest(age(s.backend_xmin), age(s.backend_xid))::int AS xmin_age,
           CASE WHEN s.wait_event_type = 'Lock' THEN pg_blocking_pids(s.pid) ELSE '{}' END AS blockers
      FROM pg_stat_activity AS s
     WHERE s.pid <> pg_backend_pid() ORDER BY s.pid"""

# What copies a base backup is no replica, and a logical subscriber reads with indexes of its own.
_REPLICAS = """
    SELECT coalesce(r.application_name, '') AS name, coalesce(r.state, '') AS state,
           age(r.backend_xmin)::int AS xmin_age
      FROM pg_stat_replication AS r
     WHERE r.state IS DISTINCT FROM 'backup' AND r.application_name IS DISTINCT FROM 'pg_receivewal'
       AND r.application_name IS DISTINCT FROM 'pg_basebackup'
       AND NOT EXISTS (SELECT FROM pg_replication_slots AS s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
     ORDER BY r.pid"""
_SLOTS = """
    SELECT slot_name::text AS name, slot_type AS kind, active AS is_active, age(xmin)::int AS xmin_age,
           age(catalog_xmin)::int AS catalog_xmin_age,
           greatest(0, coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
               ELSE pg_current_wal_lsn() END, restart_lsn), 0))::bigint AS retained_bytes
      FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name"""
_PREPARED = """
    SELECT gid AS name, owner::text AS user, age(transaction)::int AS xid_age,
           extract(epoch FROM clock_timestamp() - prepared)::float8 AS age_s
      FROM pg_prepared_xacts ORDER BY prepared"""

_DATABASE = """
    SELECT d.datname::text AS name, pg_database_size(d.datid)::bigint AS size_bytes,
           greatest(1, extract(epoch FROM clock_timestamp()
               - coalesce(d.stats_reset, pg_postmaster_start_time())))::float8 AS statistics_age_s,
           d.stats_reset IS NOT NULL AS is_reset_known,
           (SELECT sum(o.numbackends) FROM pg_stat_database AS o WHERE o.datid <> 0)::int AS connections,
           f.xid_age AS frozen_xid_age, f.mxid_age AS frozen_mxid_age, f.name AS frozen_database,
           d.temp_files::bigint AS temp_files, d.temp_bytes::bigint AS temp_bytes,
           d.session_time AS session_ms, d.active_time AS active_ms, d.sessions::bigint AS sessions,
           d.sessions_abandoned::bigint AS sessions_abandoned
      FROM pg_stat_database AS d,
           LATERAL (SELECT b.datname::text AS name, age(b.datfrozenxid)::bigint AS xid_age,
                           mxid_age(b.datminmxid)::bigint AS mxid_age
                      FROM pg_database AS b ORDER BY age(b.datfrozenxid) DESC LIMIT 1) AS f
     WHERE d.datname = current_database()"""

_SETTINGS = "SELECT name, setting, unit, vartype FROM pg_settings"
_UNITS = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "GB": 1024**3, "ms": 1, "s": 1000, "min": 60_000}


def sessions(connection: Connection) -> tuple[Backend, ...]:
    """Every other process of the server.

    Raises:
        PermissionError: The role may not see what others' sessions do.
    """
    (row,) = connection.execute(SEES_SESSIONS).fetchall()
    if not row["sees"]:
        user = connection.info.user
        raise PermissionError(f'{user} does not see the sessions of others: GRANT pg_monitor TO "{user}"')
    return tuple(Backend(**row | {"blockers": tuple(row["blockers"])}) for row in connection.execute(_SESSIONS))


def replication(connection: Connection) -> Replication:
    return Replication(
        replicas=tuple(Replica(**row) for row in connection.execute(_REPLICAS)),
        slots=tuple(Slot(**row) for row in connection.execute(_SLOTS)),
        prepared=tuple(Prepared(**row) for row in connection.execute(_PREPARED)),
    )


def database(connection: Connection) -> Database:
    (row,) = connection.execute(_DATABASE).fetchall()
    return Database(**row)


def settings(connection: Connection) -> dict[str, str | float]:
    """Settings as numbers in bytes or milliseconds where they have such a unit."""
    return {
        row["name"]: setting_value(row["setting"], row["unit"], row["vartype"]) for row in connection.execute(_SETTINGS)
    }


def setting_value(setting: str, unit: str | None, vartype: str) -> str | float:
    """A value of pg_settings: a number in bytes or milliseconds where it has such a unit, else its text."""
    if vartype not in ("integer", "real"):
        return setting
    number = float(setting)
    return number * _UNITS.get(unit or "", 1) if number > 0 else number
