"""Translate what the database says into what a caller can do about it: the one place for it.

Codes: PostgreSQL 18 manual, appendix A. PgBouncer answers with 08P01.
"""

from django.db import Error as DjangoDatabaseError
from psycopg_pool import PoolTimeout, TooManyRequests

LOCK_NOT_AVAILABLE = "55P03"
INVALID_REQUEST = "HR001"
"""Raised by the functions of ``sql/functions`` for an argument out of its range."""

READ_ONLY = "25006"
_SESSION_ENDED = {"25P03", "25P04"}
"""idle_in_transaction_session_timeout and transaction_timeout: the server has closed the connection."""

_RETRY_LATER = {LOCK_NOT_AVAILABLE, "40001", "40P01", "57014", READ_ONLY, *_SESSION_ENDED}
_CONNECTION_CLASSES = ("08", "57P")
# Out of connections, memory or disk.
_RESOURCES = "53"


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
    return state in _RETRY_LATER or state.startswith((*_CONNECTION_CLASSES, _RESOURCES))


def is_read_only(error: BaseException) -> bool:
    """Whether the server takes no writes, as an old primary after a failover; the connection leads nowhere else."""
    return sqlstate(error) == READ_ONLY
