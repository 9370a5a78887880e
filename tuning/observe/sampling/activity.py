"""Who does what in PostgreSQL, who waits for what, and for whom."""

import time
from typing import Any

from tuning.observe.sampling.sessions import APPLICATION_NAME, Row, Session
from tuning.observe.sampling.source import Seen
from tuning.observe.sampling.statement_numbers import StatementNumbers
from tuning.timeline import ACTIVITY, LOCKS, STATEMENT

NAME = "activity"
# pg_blocking_pids takes the lock manager for itself for a moment (its manual says so), pg_locks reads all of it: where
# that takes long, it is done less often than sessions are read, so that it is at most this part of the time, which
# is the watcher's to wait: what it takes of a processor is less.
LOCKS_SHARE = 0.05
MAX_TEXT = 2000

_FACTS = """
SELECT current_setting('server_version') AS version, current_user AS watched_as, current_database() AS database,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
       (SELECT jsonb_object_agg(name, setting) FROM pg_catalog.pg_settings WHERE name = ANY (%s)) AS settings,
       (SELECT jsonb_object_agg(name, unit) FROM pg_catalog.pg_settings
         WHERE name = ANY (%s) AND unit IS NOT NULL) AS units
"""
_SETTINGS = [
    "max_connections",
    "synchronous_commit",
    "fsync",
    "shared_buffers",
    "max_wal_size",
    "commit_delay",
    "deadlock_timeout",
    "compute_query_id",
    "track_io_timing",
    "track_wal_io_timing",
    "track_activities",
]
# Without pg_read_all_stats all but pid, user and database of a foreign session is NULL: such rows are counted alone.
# The view is read once; there is a row, without a pid, where nobody is at work.
_SESSIONS = """
WITH seen AS MATERIALIZED (
    SELECT *, backend_type = 'client backend' AND state = 'idle' AS is_idle FROM pg_catalog.pg_stat_activity
     WHERE application_name IS DISTINCT FROM %s)
SELECT s.pid, s.datname AS database, s.usename AS "user", s.application_name AS application, s.state,
       s.backend_type AS type, s.wait_event_type AS wait_type, s.wait_event,
       round(extract(epoch FROM clock_timestamp() - s.xact_start), 4)::float8 AS xact_s,
       round(extract(epoch FROM clock_timestamp() - s.query_start), 4)::float8 AS query_s,
       round(extract(epoch FROM clock_timestamp() - s.state_change), 4)::float8 AS state_s,
       CASE WHEN %s AND s.wait_event_type = 'Lock' THEN pg_blocking_pids(s.pid) ELSE '{}' END AS blocked_by,
       s.query_id, CASE WHEN s.query_id = ANY (%s::bigint[]) THEN NULL ELSE left(s.query, %s) END AS text,
       i.idle
  FROM (SELECT count(*)::int AS idle FROM seen WHERE is_idle) AS i
  LEFT JOIN seen AS s ON s.is_idle IS NOT TRUE
        AND (s.backend_type = 'client backend' OR s.wait_event_type IS DISTINCT FROM 'Activity')
"""
# Who waits for a transaction holds the row's tuple lock meanwhile, where it is the first in line: that has the table.
_LOCKS = """
WITH seen AS MATERIALIZED (
    SELECT pid, locktype, mode, relation, database, granted, waitstart FROM pg_catalog.pg_locks
     WHERE NOT granted OR locktype = 'tuple')
SELECT w.pid, w.locktype AS lock, w.mode, c.relname::text AS relation,
       round(extract(epoch FROM clock_timestamp() - w.waitstart), 4)::float8 AS waited_s
  FROM seen AS w
  LEFT JOIN LATERAL (SELECT h.relation, h.database FROM seen AS h
                      WHERE h.pid = w.pid AND h.granted LIMIT 1) AS held ON true
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = coalesce(w.relation, held.relation)
        AND coalesce(w.database, held.database) IN
            (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
 WHERE NOT w.granted
"""
_OF_SESSION = (
    "pid",
    "database",
    "user",
    "application",
    "state",
    "wait_type",
    "wait_event",
    "xact_s",
    "query_s",
    "state_s",
    "blocked_by",
)


class Activity:
    """pg_stat_activity, with pg_locks and blockers where somebody waits for a lock."""

    name = NAME

    def __init__(self, conninfo: str, interval_s: float) -> None:
        self.interval_s = interval_s
        self.facts: dict[str, Any] = {}
        self.partly: str | None = None
        self._session = Session(conninfo)
        self._numbers = StatementNumbers()
        self._locks_due = 0.0
        self._watched_as = ""

    def open(self) -> None:
        self._session.open()
        facts = self._session.ask(_FACTS, [_SETTINGS, _SETTINGS])[0]
        self._watched_as = facts.pop("watched_as")
        if not facts.pop("sees_all"):
            self.partly = (
                f"{self._watched_as} has no pg_monitor: of other users' sessions neither state, wait nor statement is "
                f"visible (GRANT pg_monitor TO {self._watched_as})"
            )
        self.facts = {"postgresql": facts}

    def sample(self, *, is_edge: bool) -> Seen:
        asks_locks = is_edge or time.monotonic() >= self._locks_due
        started = time.monotonic()
        rows = self._session.ask(_SESSIONS, [APPLICATION_NAME, asks_locks, self._numbers.known_ids, MAX_TEXT])
        idle = rows[0]["idle"]
        sessions = [row for row in rows if row["type"] == "client backend"]
        waiting = [row for row in sessions if row["wait_type"] == "Lock"]
        locks = self._session.ask(_LOCKS) if waiting and asks_locks else []
        if waiting and asks_locks:
            now = time.monotonic()
            self._locks_due = now + (now - started) * (1 / LOCKS_SHARE - 1)
        told = []
        for row in sessions:
            number, new = self._numbers.of(row["query_id"], row["text"])
            if new is not None:
                yield STATEMENT, new
            told.append({name: row[name] for name in _OF_SESSION} | {"statement": number})
        yield (
            ACTIVITY,
            {
                "sessions": told,
                "idle": idle,
                "background": [
                    {name: row[name] for name in ("type", "wait_type", "wait_event")}
                    for row in rows
                    if row["type"] not in (None, "client backend")
                ],
                "hidden": sum(row["pid"] is not None and row["type"] is None for row in rows),
                "asked_blockers": asks_locks,
            },
        )
        if locks:
            yield LOCKS, {"waits": [_wait(lock, sessions) for lock in locks]}

    def close(self) -> None:
        self._session.close()

    def interrupt(self) -> None:
        self._session.interrupt()


def _wait(lock: Row, sessions: list[Row]) -> Row:
    blockers: list[int] = next((row["blocked_by"] for row in sessions if row["pid"] == lock["pid"]), [])
    return {**lock, "blocker": blockers[0] if blockers else None}
