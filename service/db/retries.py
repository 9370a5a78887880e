"""Repeat a statement that failed for a reason that passes: for commands, which nobody waits for.

Requests never come here; they are refused with Retry-After. Each statement that is repeated must
be safe to repeat: a lost connection does not say whether it was committed.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connection

from service.db.sqlstates import is_transient, sqlstate

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
# Short against the 60 s that a hold may be overdue, long enough to leave a recovering server alone.
MAX_PAUSE_S = 15.0

T = TypeVar("T")
Pause = Callable[[float], bool]
"""Waits for so many seconds; whether the caller wants to end instead of trying again."""


def repeated(call: Callable[[], T], pause: Pause, *, tries: int | None = None) -> T | None:
    """Call until it succeeds, with longer and longer pauses, on a new connection each time.

    Args:
        call: One statement that is safe to repeat.
        pause: Waits between two tries.
        tries: How often to call at the most; None for ever.

    Returns:
        What the call returned; None if the caller wanted to end.

    Raises:
        django.db.Error: It failed for a reason that does not pass, or as often as it may.
    """
    failures = 0
    while True:
        try:
            return call()
        except DatabaseError as error:
            failures += 1
            connection.close()
            if not is_transient(error) or failures == tries:
                raise
            wait_s = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
            logger.warning("database unavailable (%s): trying again in %.1f s", sqlstate(error) or error, wait_s)
        if pause(wait_s):
            return None


def disconnect() -> None:
    """Close the connection, and the pool that it came from; a command that ends leaves nothing behind."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of the PostgreSQL backend
