"""A connection that watches: what a server that hangs makes of it ends in bounded time."""

import contextlib
import os
import socket
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from tuning.observe.sampling.source import ANSWER_TIMEOUT_S

APPLICATION_NAME = "hotrow observe"
"""By it the watcher leaves its own sessions, and those of another watcher, out of what it tells."""
_TIMEOUT_MS = int(ANSWER_TIMEOUT_S * 1000)
_LIMITS = f"-c statement_timeout={_TIMEOUT_MS} -c lock_timeout={_TIMEOUT_MS} -c default_transaction_read_only=on"

Row = dict[str, Any]


class Session:
    """Connects on demand; ``ask`` may be interrupted from another thread."""

    def __init__(self, conninfo: str, *, is_console: bool = False) -> None:
        given: dict[str, str | int] = {"application_name": APPLICATION_NAME, "connect_timeout": int(ANSWER_TIMEOUT_S)}
        if not is_console:
            options = conninfo_to_dict(conninfo).get("options")
            given["options"] = f"{options} {_LIMITS}" if options else _LIMITS
        self._conninfo = make_conninfo(conninfo, **given)
        # PgBouncer's console knows the simple protocol alone.
        self._is_console = is_console
        self._connection: psycopg.Connection | None = None

    def open(self) -> psycopg.Connection:
        """Connect.

        Raises:
            psycopg.Error: It does not answer, or lets nobody in.
        """
        self._connection = psycopg.connect(
            self._conninfo,
            autocommit=True,
            prepare_threshold=None if self._is_console else 1,
            cursor_factory=psycopg.ClientCursor if self._is_console else psycopg.Cursor,
        )
        return self._connection

    def ask(self, statement: str, parameters: Any = None) -> list[Row]:
        """Raise psycopg.Error where there is no answer."""
        if self._connection is None:
            raise psycopg.OperationalError("there is no connection")
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement, parameters).fetchall()
        return [{name: _number(value) for name, value in row.items()} for row in rows]

    def interrupt(self) -> None:
        """Shut the socket, as if the server had gone: only so does a call to one that is stopped come back."""
        connection = self._connection
        if connection is None:
            return
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(connection.fileno())) as wire,
        ):
            wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


def _number(value: Any) -> Any:
    """PostgreSQL sums, and PgBouncer counts, in numeric, which JSON does not know."""
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value
