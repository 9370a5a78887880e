"""Name the sessions that others wait for.

PostgreSQL tells who blocks only while somebody waits: after a timeout it is too late to ask. So
the names are taken by a second connection during the wait.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

QUERY_SHOWN = 200
_HIDDEN = "<insufficient privilege>"

COLUMNS = (
    "a.pid, a.usename, a.application_name, a.state, a.query, coalesce(a.xact_start, a.backend_start),"
    " extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start))"
)
"""What :func:`session` needs of ``pg_stat_activity AS a``, in its order."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session of the server; what this role may not see is None."""

    pid: int
    user: str | None
    application: str | None
    state: str | None
    query: str | None
    since: datetime | None
    age_s: float | None

    def __str__(self) -> str:
        if self.pid == 0:
            return "a prepared transaction (see pg_prepared_xacts)"
        who = f"pid {self.pid}, user {self.user}, application {self.application or 'unnamed'}"
        if self.query is None:
            return f"{who}, the rest is hidden from this role (GRANT pg_read_all_stats shows it)"
        since = f"since {self.since:%H:%M:%S} ({self.age_s:.0f} s)" if self.since and self.age_s is not None else ""
        return f"{who}, {self.state} {since}, query: {self.query}"


def session(row: tuple[Any, ...]) -> Session:
    pid, user, application, state, query, since, age_s = row
    shown = None if query is None or query == _HIDDEN else " ".join(query.split())[:QUERY_SHOWN]
    return Session(pid or 0, user, application, state, shown, since, None if age_s is None else float(age_s))


def blockers(cursor: CursorWrapper, pid: int) -> list[Session]:
    """The sessions that this one waits for right now."""
    cursor.execute(
        f"SELECT {COLUMNS} FROM (SELECT DISTINCT unnest(pg_catalog.pg_blocking_pids(%s))) AS blocking (pid)"  # noqa: S608
        " LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = blocking.pid",
        [pid],
    )
    return [session(row) for row in cursor.fetchall()]


class Watch:
    """Keeps the last blockers that were seen of one session; a look for :func:`observer.looking`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.seen: list[Session] = []

    def __call__(self, cursor: CursorWrapper) -> None:
        self.seen = blockers(cursor, self.pid) or self.seen

    def __str__(self) -> str:
        return "; ".join(str(one) for one in self.seen) or "nobody was seen in time"
