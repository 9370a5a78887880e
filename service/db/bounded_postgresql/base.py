"""The back end of the alias ``replica``: a server that stopped without a word costs a request little.

The server's own timeouts are of no use against a server that hangs, nor are TCP's: its kernel answers.
"""

import time
from collections.abc import Generator
from typing import Any

import psycopg
from django.db.backends.postgresql import base

# An answer takes a few milliseconds, and some tens on a busy machine.
ANSWER_S = 0.5
# How often a connection that hears nothing looks at the clock.
_LOOK_S = 0.05


class Connection(psycopg.Connection[Any]):
    """Ends a statement that takes too long with ``OperationalError``; the connection is closed by then."""

    def wait(self, gen: Generator[Any, Any, Any], interval: float = _LOOK_S, *more: Any, **options: Any) -> Any:
        bounded = self._bounded(gen, time.monotonic() + ANSWER_S)
        return super().wait(bounded, min(interval, _LOOK_S), *more, **options)

    def _bounded(self, gen: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and time.monotonic() > deadline:
                    self.close()
                    raise psycopg.OperationalError(f"no answer within {ANSWER_S} s")
                state = gen.send(ready)
        except StopIteration as done:
            return done.value


class _Driver:
    """psycopg, as Django uses it, with those connections."""

    connect = Connection.connect

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    outages_seen = 0
    """How many outages there had been when the connection was last used."""
    Database = _Driver()  # type: ignore[assignment]  # what Django uses of a module

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        if "pool" in settings_dict["OPTIONS"]:
            settings_dict["OPTIONS"]["pool"]["connection_class"] = Connection
