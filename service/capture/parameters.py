"""Parameters as JSON: what JSON has no type for is ``{"type": ..., "value": ...}``, and long ones are cut."""

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Json, Jsonb

MAX_CHARACTERS = 1_000
MAX_ITEMS = 100
MAX_DEPTH = 4

_TYPES: tuple[tuple[type, str], ...] = (
    (UUID, "uuid"),
    (Decimal, "numeric"),
    (datetime, "timestamp"),  # before date, whose subclass it is
    (date, "date"),
    (time, "time"),
)
REDACTED: dict[str, Any] = {"type": "redacted"}


class Encoder:
    """Encodes the parameters of one statement; ``is_truncated`` once something was cut."""

    def __init__(self) -> None:
        self.is_truncated = False

    def value(self, given: Any, depth: int = 0) -> Any:
        if given is None or isinstance(given, bool | int):
            return given
        if isinstance(given, float):
            return given if math.isfinite(given) else {"type": "float8", "value": str(given)}
        if isinstance(given, str):
            return self.text(given)
        if isinstance(given, list | tuple):
            return self._items(given, depth)
        if isinstance(given, bytes | bytearray | memoryview):
            return {"type": "bytea", "value": self.text(bytes(given[: MAX_CHARACTERS + 1]).hex())}
        if isinstance(given, timedelta):
            return {"type": "interval", "value": f"{given.total_seconds()} seconds"}
        for kind, name in _TYPES:
            if isinstance(given, kind):
                isoformat = getattr(given, "isoformat", None)
                return {"type": name, "value": str(given) if isoformat is None else isoformat()}
        if isinstance(given, Json | Jsonb):
            return {"type": "jsonb", "value": self.text(json.dumps(given.obj, default=str))}
        return {"type": type(given).__name__, "value": self.text(str(given))}

    def text(self, given: str, most: int = MAX_CHARACTERS) -> str:
        # PostgreSQL takes no lone surrogates, and neither does a file.
        told = given.encode(errors="replace").decode()
        if len(told) <= most:
            return told
        self.is_truncated = True
        return told[:most]

    def _items(self, given: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            self.is_truncated = True
            return []
        if len(given) > MAX_ITEMS:
            self.is_truncated = True
        return [self.value(each, depth + 1) for each in given[:MAX_ITEMS]]
