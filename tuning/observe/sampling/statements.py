"""pg_stat_statements at the start and at the end: what lies between is the reader's to work out."""

from typing import Any

from psycopg import sql

from tuning.observe.sampling.sessions import Session
from tuning.observe.sampling.source import Seen, Unwatchable
from tuning.timeline import STATEMENTS

NAME = "statements"
# The view keeps 5,000 by default (pg_stat_statements.max); nearly all the time is in the first hundreds.
MAX_STATEMENTS = 1000
MAX_TEXT = 2000
# A loop that looks whether its connection is still there, so that the last sample finds one.
INTERVAL_S = 2.0

_WHERE = """
SELECT n.nspname AS schema, current_user AS watched_as, current_database() AS database,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all
  FROM (SELECT 1) AS one
  LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = 'pg_stat_statements'
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
"""
# One statement of several users, or called from functions too, is one.
_ROWS = """
SELECT queryid AS query_id, left(min(query), {text}) AS text, sum(calls)::int8 AS calls,
       sum(total_exec_time)::float8 AS total_ms, sum(rows)::int8 AS rows,
       sum(shared_blks_hit + shared_blks_read)::int8 AS blocks
  FROM {view}
 WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
 GROUP BY queryid ORDER BY total_ms DESC LIMIT {rows}
"""


class Statements:
    """Reads the view twice; nothing in between."""

    name = NAME
    interval_s = INTERVAL_S

    def __init__(self, conninfo: str) -> None:
        self.facts: dict[str, Any] = {}
        self.partly: str | None = None
        self._session = Session(conninfo)
        self._rows = ""

    def open(self) -> None:
        connection = self._session.open()
        found = self._session.ask(_WHERE)[0]
        if found["schema"] is None:
            raise Unwatchable(
                f"database {found['database']} has no pg_stat_statements: put it into shared_preload_libraries, "
                "restart, and CREATE EXTENSION pg_stat_statements"
            )
        if not found["sees_all"]:
            self.partly = f"{found['watched_as']} has no pg_monitor: other users' statements have no text and no id"
        view = sql.Identifier(found["schema"], "pg_stat_statements")
        text = sql.SQL(_ROWS).format(view=view, text=sql.Literal(MAX_TEXT), rows=sql.Literal(MAX_STATEMENTS))
        self._rows = text.as_string(connection)

    def sample(self, *, is_edge: bool) -> Seen:
        if not is_edge:
            self._session.ask("SELECT 1")
            return
        yield STATEMENTS, {"rows": self._session.ask(self._rows)}

    def close(self) -> None:
        self._session.close()

    def interrupt(self) -> None:
        self._session.interrupt()
