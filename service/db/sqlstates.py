"""Translate what the database says into what a caller can do about it: the one place for it.

Codes: PostgreSQL 18 manual, appendix A. PgBouncer answers with 08P01.
"""

from django.db import Error as DjangoDatabaseError
from psycopg_pool import PoolTimeout, TooManyRequests

LOCK_NOT_AVAILABLE = "55P03"
INVALID_REQUEST = "HR001"
"""Raised by the functions of ``sql/functions`` for an argument out of its range."""

_RETRY_LATER = {LOCK_NOT_AVAILABLE, "40001", "40P01", "57014", "25006", "53300"}
_CONNECTION_CLASSES = ("08", "57P")


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that the server sent, if the error carries one."""
    cause = error.__cause__ if error.__cause__ is not None else error
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_connection_lost(error: BaseException) -> bool:
    """Whether the statement may have been committed although its answer never came."""
    state = sqlstate(error)
    if state is None:
        return type(error).__name__ == "OperationalError" and not isinstance(
            error.__cause__, PoolTimeout | TooManyRequests
        )
    return state.startswith(_CONNECTION_CLASSES)


def is_transient(error: DjangoDatabaseError) -> bool:
    """Whether the same request may succeed later: pool, pooler, lock, failover or overload."""
    if isinstance(error.__cause__, PoolTimeout | TooManyRequests):
        return True
    state = sqlstate(error)
    if state is None:
        # psycopg has no code for a socket that closed; programming errors always have one.
        return type(error).__name__ == "OperationalError"
    return state in _RETRY_LATER or state.startswith(_CONNECTION_CLASSES)
