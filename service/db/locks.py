"""Take strong locks for a short while or not at all.

A statement that waits for ACCESS EXCLUSIVE stands in a queue, and everybody who comes later, even
to read, stands behind it. So the wait is short, its transaction ends, and it is tried again (ADR 15).
"""

import logging
import random
import time
from collections.abc import Callable, Sequence

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from service.db.blockers import Watch
from service.db.errors import LockNotObtained
from service.db.observer import backend_pid, looking
from service.db.sqlstates import LOCK_NOT_AVAILABLE, sqlstate

logger = logging.getLogger(__name__)

# How long others may stand behind a lock that was not had yet. squawk advises 1 s,
# django-pg-zero-downtime-migrations 2 s, strong_migrations 10 s; half a second more a request can bear.
LOCK_TIMEOUT_MS = 500
# With the pauses below the work is given up after 82 s at the latest: 12 waits, and 76 s between them.
TRIES = 12
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 10.0

_DEADLOCK = "40P01"


def run(connection: BaseDatabaseWrapper, work: Callable[[], None], *, doing: str) -> None:
    """Do some work in a transaction of its own that waits only briefly for locks, again and again.

    Raises:
        LockNotObtained: No try had the lock; nothing was changed.
    """
    watch = Watch(backend_pid(connection))
    for number in range(1, TRIES + 1):
        try:
            with looking(connection, watch), transaction.atomic(using=connection.alias):
                with connection.cursor() as cursor:
                    # What is done under a strong lock only writes the catalogue: the lock is all that it may wait for.
                    cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                    cursor.execute("SET LOCAL statement_timeout = 0")
                work()
        except OperationalError as error:
            if sqlstate(error) not in (LOCK_NOT_AVAILABLE, _DEADLOCK):
                raise
            if number == TRIES:
                raise LockNotObtained(
                    f"{doing}: no lock in {TRIES} tries of {LOCK_TIMEOUT_MS} ms, and nothing was changed. Held by: "
                    f"{watch}. Wait until they have ended, or end them, and migrate again"
                ) from error
            wait_s = pause_s(number)
            logger.warning("%s: try %s of %s had no lock (%s); again in %.1f s", doing, number, TRIES, watch, wait_s)
            time.sleep(wait_s)
        else:
            return


def execute(editor: BaseDatabaseSchemaEditor, statements: Sequence[str], *, doing: str) -> None:
    """Run statements that need strong locks for a moment, all or none; only print them for sqlmigrate."""

    def work() -> None:
        for statement in statements:
            editor.execute(statement, params=None)

    if editor.collect_sql:
        work()
    else:
        run(editor.connection, work, doing=doing)


def pause_s(number: int) -> float:
    """How long to wait after the try of this number: any time up to a bound that doubles (full jitter)."""
    return random.uniform(0, min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** (number - 1)))  # noqa: S311  # chance, no secret
