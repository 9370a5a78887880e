"""PgBouncer's pools and totals, from its console."""

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from tuning.observe.poolers import CONSOLE_DATABASE
from tuning.observe.sampling.sessions import Row, Session
from tuning.observe.sampling.source import Seen, Unwatchable
from tuning.timeline import POOLER

NAME = "pooler"
_CONFIG = (
    "pool_mode",
    "default_pool_size",
    "min_pool_size",
    "reserve_pool_size",
    "reserve_pool_timeout",
    "max_client_conn",
    "max_db_connections",
    "max_user_connections",
    "query_wait_timeout",
    "max_prepared_statements",
)
_MICROSECONDS = 1e6


class Pooler:
    """SHOW POOLS, SHOW DATABASES for the sizes, and SHOW STATS_TOTALS, whose times are in microseconds."""

    name = NAME

    def __init__(self, conninfo: str, interval_s: float) -> None:
        self.interval_s = interval_s
        self.facts: dict[str, Any] = {}
        self.partly: str | None = None
        self._session = Session(make_conninfo(conninfo, dbname=CONSOLE_DATABASE), is_console=True)

    def open(self) -> None:
        try:
            self._session.open()
        except psycopg.Error as error:
            # Some versions refuse a user whom they do not let in, others leave him waiting.
            hint = "its user must be one of admin_users or stats_users"
            raise Unwatchable(f"PgBouncer's console does not answer ({hint}): {error}") from error
        version = next(iter(self._session.ask("SHOW VERSION")[0].values()))
        config = {row["key"]: row["value"] for row in self._session.ask("SHOW CONFIG") if row["key"] in _CONFIG}
        sizes = {name: row["pool_size"] for name, row in self._databases().items()}
        self.facts = {"pgbouncer": {"version": str(version), "settings": config, "pool_sizes": sizes}}

    def sample(self, *, is_edge: bool) -> Seen:
        databases = self._databases()
        pools = [
            _pool(row, databases.get(row["database"], {}))
            for row in self._session.ask("SHOW POOLS")
            if row["database"] != CONSOLE_DATABASE
        ]
        totals = {
            row.pop("database"): row
            for row in self._session.ask("SHOW STATS_TOTALS")
            if row["database"] != CONSOLE_DATABASE
        }
        yield POOLER, {"pools": pools, "totals": totals}

    def close(self) -> None:
        self._session.close()

    def interrupt(self) -> None:
        self._session.interrupt()

    def _databases(self) -> dict[str, Row]:
        return {row["name"]: row for row in self._session.ask("SHOW DATABASES") if row["name"] != CONSOLE_DATABASE}


def _pool(row: Row, database: Row) -> Row:
    """The columns differ by version: what is there is told. The longest wait is in two, s and the rest in us."""
    told = {name: value for name, value in row.items() if name != "maxwait_us"}
    told["maxwait"] = row["maxwait"] + row.get("maxwait_us", 0) / _MICROSECONDS
    told["pool_size"] = database.get("pool_size")
    told["is_paused"] = bool(database.get("paused"))
    return told
