"""Two real connections whose statements are interleaved by name, and who waits for whom, as PostgreSQL tells it."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg

PATIENCE_S = 10


class Session:
    """A connection in a thread of its own: a statement can be under way while another session goes on."""

    def __init__(self, conninfo: str, observer: psycopg.Connection) -> None:
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self._observer = observer
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[Any] | None = None

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def run(self, statement: str, *arguments: Any) -> Any:
        """Run a statement to its end; returns the first column of its first row."""
        cursor = self.connection.execute(statement, arguments)  # type: ignore[arg-type]
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def start(self, statement: str, *arguments: Any) -> None:
        """Send a statement and return when it ended or waits for another session."""
        self.send(statement, *arguments)
        assert self._running is not None
        deadline = time.monotonic() + PATIENCE_S
        while not self._running.done() and not self.waits_for():
            assert time.monotonic() < deadline, f"neither ended nor waits: {statement}"

    def send(self, statement: str, *arguments: Any) -> None:
        """Send a statement and return at once."""
        self._running = self._thread.submit(self.run, statement, *arguments)

    def waits_for(self) -> list[int]:
        """The backends that hold a lock which this session waits for."""
        row = self._observer.execute("SELECT pg_blocking_pids(%s)", [self.pid]).fetchone()
        assert row is not None
        return list(row[0])

    @property
    def is_waiting(self) -> bool:
        return self._running is not None and not self._running.done()

    def result(self) -> Any:
        assert self._running is not None
        return self._running.result(timeout=PATIENCE_S)

    def close(self) -> None:
        self.connection.close()
        self._thread.shutdown()


@contextmanager
def two_sessions(conninfo: str, observer: psycopg.Connection) -> Iterator[tuple[Session, Session]]:
    first, second = Session(conninfo, observer), Session(conninfo, observer)
    try:
        yield first, second
    finally:
        first.close()
        second.close()
