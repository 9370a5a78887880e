"""Turn the values of a captured statement, which JSON had no type for, back into Python's."""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tuning.explain.errors import Unreadable

# What docs/howto/capture.md writes; a type that is not here is given as its text, as psycopg would send it.
_READ: dict[str, Callable[[Any], Any]] = {
    "uuid": UUID,
    "numeric": Decimal,
    "float8": float,
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "interval": lambda value: timedelta(seconds=float(str(value).removesuffix(" seconds"))),
    "bytea": bytes.fromhex,
    "jsonb": lambda value: Jsonb(json.loads(value)),
}
_REDACTED = "redacted"


def plain(value: Any) -> Any:
    """Read one value; an object of type and value by its type, one of a type that is not known as its text.

    Raises:
        Unreadable: The text is none of its type, or the value was kept out of the file.
    """
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value.get("type"), value.get("value")
    if kind == _REDACTED:
        raise Unreadable("a value of it was kept out of the capture: explain it by hand with --sql")
    if not isinstance(kind, str) or "value" not in value:
        return Jsonb(value)
    if inner is None:
        return None
    try:
        return _READ.get(kind.lower(), str)(inner)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise Unreadable(f"a value of type {kind} is none: {str(inner)[:40]!r}") from error
