"""What one captured statement looks like; docs/howto/capture.md describes the fields of version 1."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from service.capture.callers import caller
from service.capture.parameters import MAX_ITEMS, REDACTED, Encoder
from service.capture.redaction import Redaction
from service.db.sqlstates import sqlstate
from service.db.statements import Statement

VERSION = 1
MAX_SQL_CHARACTERS = 20_000
# One write of this size goes to the page cache whole.
MAX_LINE_BYTES = 65_536


def line(statement: Statement, redaction: Redaction, request: dict[str, Any]) -> bytes:
    """The statement as one line of JSON.

    Args:
        request: ``request_id``, ``route`` and ``method``.
    """
    encoder = Encoder()
    told: dict[str, Any] = {
        "v": VERSION,
        "at": datetime.now(UTC).isoformat(),
        **request,
        "alias": statement.alias,
        "sql": encoder.text(statement.sql, MAX_SQL_CHARACTERS),
        "params": _parameters(statement, redaction, encoder),
        "many": statement.many,
        "duration_ms": round(statement.duration_s * 1000, 3),
        "rows": statement.rows,
        "caller": caller(),
        "in_transaction": statement.in_transaction,
        "error": None if statement.error is None else sqlstate(statement.error) or type(statement.error).__name__,
        "truncated": encoder.is_truncated,
    }
    text = json.dumps(told).encode() + b"\n"
    if len(text) > MAX_LINE_BYTES:
        text = json.dumps({**told, "params": None, "truncated": True}).encode() + b"\n"
    return text


def _parameters(statement: Statement, redaction: Redaction, encoder: Encoder) -> Any:
    given = statement.params
    if given is None:
        return None
    if statement.many:
        sets = list(given) if isinstance(given, Sequence) else []
        if len(sets) > MAX_ITEMS:
            encoder.is_truncated = True
        return [_one(statement.sql, each, redaction, encoder) for each in sets[:MAX_ITEMS]]
    return _one(statement.sql, given, redaction, encoder)


def _one(sql: str, given: Any, redaction: Redaction, encoder: Encoder) -> Any:
    hides_all = redaction.hides_all(sql)
    if isinstance(given, dict):
        return {
            name: REDACTED if hides_all or redaction.hides(name) else encoder.value(each)
            for name, each in given.items()
        }
    hidden = redaction.positions(sql)
    return [REDACTED if hides_all or position in hidden else encoder.value(each) for position, each in enumerate(given)]
