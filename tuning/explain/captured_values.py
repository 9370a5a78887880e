"""Turn the values of a captured statement, which JSON had no type for, back into Python's."""

import base64
import binascii
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tuning.explain.errors import Unreadable

_READ: dict[str, Callable[[Any], Any]] = {
    "uuid": UUID,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda value: timedelta(seconds=float(value)),
    "interval": lambda value: timedelta(seconds=float(value)),
    "bytes": lambda value: base64.b64decode(value, validate=True),
    "json": Jsonb,
    "jsonb": Jsonb,
    "int": int,
    "float": float,
    "bool": bool,
    "list": lambda value: [plain(each) for each in value],
    "tuple": lambda value: [plain(each) for each in value],
}


def plain(value: Any) -> Any:
    """Read one value; an object of type and value by its type, one of a type that is not known as its text.

    Raises:
        Unreadable: The text is none of its type.
    """
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value.get("type"), value.get("value")
    if not isinstance(kind, str) or "value" not in value:
        return Jsonb(value)
    if inner is None:
        return None
    try:
        return _READ.get(kind.lower(), str)(inner)
    except (ArithmeticError, TypeError, ValueError, binascii.Error) as error:
        raise Unreadable(f"a value of type {kind} is none: {str(inner)[:40]!r}") from error
