"""Tell of the statements that a request sends, on every connection, whichever thread or greenlet made it.

A wrapper stays on each connection from its first use, and asks whether the request at hand is watched.
``connection.execute_wrapper`` would miss a connection that several requests share, such as the lane's.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that has ended; ``rows`` is None where the driver does not know, ``error`` None without one."""

    sql: str
    params: Any
    many: bool
    alias: str
    in_transaction: bool
    duration_s: float
    rows: int | None
    error: Exception | None


class Preceded(str):
    """A message of two statements that is told of as its second: the first is no question of the request's own."""

    __slots__ = ("question",)

    question: str

    @classmethod
    def by(cls, first: str, question: str) -> "Preceded":
        message = cls(f"{first}; {question}")
        message.question = question
        return message


Watcher = Callable[[Statement], None]
_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("statement_watchers", default=())


def install() -> None:
    """Put the wrapper on every connection of this process, those to come included; a second call does nothing."""
    connection_created.connect(_on_connection, dispatch_uid=__name__)
    for connection in connections.all(initialized_only=True):
        _on_connection(connection=connection)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Tell the watcher of each statement of this request; it must not raise."""
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


def _on_connection(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _told not in connection.execute_wrappers:
        connection.execute_wrappers.append(_told)


def _told(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    watchers = _watchers.get()
    if not watchers:
        return execute(sql, params, many, context)
    connection = context["connection"]
    in_transaction = connection.in_atomic_block
    error: Exception | None = None
    began = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    except Exception as raised:
        error = raised
        raise
    finally:
        duration_s = time.perf_counter() - began
        count = context["cursor"].rowcount if error is None else -1
        rows = count if count >= 0 else None
        text = str(sql)
        if isinstance(sql, Preceded):
            # The cursor still stands at the result of the first statement.
            text, rows = sql.question, None
        for watcher in watchers:
            watcher(Statement(text, params, many, connection.alias, in_transaction, duration_s, rows, error))
