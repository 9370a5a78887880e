"""The counters of one database: its own, its write-ahead log's and its tables'."""

from typing import Any

from tuning.observe.sampling.sessions import Row, Session
from tuning.observe.sampling.source import Seen
from tuning.timeline import DATABASE

NAME = "database"
# A schema with thousands of tables would make each sample as long as a page: the busiest are told.
MAX_TABLES = 200
# PostgreSQL 18 counts the log's writes and flushes in pg_stat_io, with all others.
_IO_SINCE = 180000

_TOTALS = "SELECT * FROM pg_catalog.pg_stat_database WHERE datname = current_database()"
_WAL_17 = "SELECT wal_bytes, wal_sync AS wal_syncs, wal_sync_time AS wal_sync_ms FROM pg_catalog.pg_stat_wal"
_WAL_18 = """
SELECT (SELECT wal_bytes FROM pg_catalog.pg_stat_wal) AS wal_bytes,
       sum(fsyncs) AS wal_syncs, sum(fsync_time) AS wal_sync_ms
  FROM pg_catalog.pg_stat_io WHERE object = 'wal'
"""
_TABLES = """
SELECT CASE WHEN schemaname = 'public' THEN relname ELSE schemaname || '.' || relname END AS name,
       seq_scan, seq_tup_read, coalesce(idx_scan, 0) AS idx_scan, n_tup_upd, n_tup_hot_upd, n_tup_ins, n_tup_del,
       n_live_tup AS rows
  FROM pg_catalog.pg_stat_user_tables
 ORDER BY seq_tup_read + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del DESC, relid
 LIMIT %s
"""


class Database:
    """pg_stat_database, pg_stat_wal or pg_stat_io, and pg_stat_user_tables."""

    name = NAME

    def __init__(self, conninfo: str, interval_s: float) -> None:
        self.interval_s = interval_s
        self.facts: dict[str, Any] = {}
        self.partly: str | None = None
        self._session = Session(conninfo)
        self._wal = _WAL_18
        self._is_timed = False
        self._active_ms: list[float] = []

    def open(self) -> None:
        connection = self._session.open()
        self._wal = _WAL_18 if connection.info.server_version >= _IO_SINCE else _WAL_17
        self._is_timed = self._session.ask("SELECT current_setting('track_wal_io_timing') AS value")[0]["value"] == "on"
        if not self._is_timed:
            self.partly = "track_wal_io_timing is off: how long a flush of the log takes is not counted"

    @property
    def active_s(self) -> float:
        """How long the database's sessions were in statements between the first sample and the last."""
        return (self._active_ms[-1] - self._active_ms[0]) / 1000 if self._active_ms else 0.0

    def sample(self, *, is_edge: bool) -> Seen:
        totals = _numbers(self._session.ask(_TOTALS)[0]) | _numbers(self._session.ask(self._wal)[0])
        if not self._is_timed:
            totals.pop("wal_sync_ms", None)
        self._active_ms = [*self._active_ms[:1], totals["active_time"]]
        tables = [{"name": row["name"], **_numbers(row)} for row in self._session.ask(_TABLES, [MAX_TABLES])]
        yield DATABASE, {"totals": totals, "tables": tables}

    def close(self) -> None:
        self._session.close()

    def interrupt(self) -> None:
        self._session.interrupt()


def _numbers(row: Row) -> Row:
    return {name: value for name, value in row.items() if isinstance(value, int | float) and name != "datid"}
