"""Connections that count what they cost their server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg

from tuning.observe.spent import Spent


@contextmanager
def timed(spent: Spent) -> Iterator[None]:
    """Add how long the block takes, whether it fails or not."""
    began = time.monotonic()
    try:
        yield
    finally:
        spent.server_s += time.monotonic() - began


def cursors(spent: Spent) -> type[psycopg.Cursor[Any]]:
    """The class of cursors to connect with: they add each statement to ``spent``, and tell EXPLAIN by how it begins."""

    class Metered(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **options: Any) -> Self:
            spent.statements += 1
            if isinstance(query, bytes):
                is_execution = query.startswith(b"EXPLAIN (ANALYZE")
                spent.executions += is_execution
                spent.plans += query.startswith(b"EXPLAIN") and not is_execution
            with timed(spent):
                return super().execute(query, *args, **options)

    return Metered
