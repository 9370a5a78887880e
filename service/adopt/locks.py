"""Take a lock that blocks the project's writers: briefly, or not at all.

A statement that waits for such a lock makes everybody wait who comes after it. So it waits for half
a second at the most, lets go, and tries again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from service.adopt import facts
from service.adopt.errors import AdoptionError
from service.db.sqlstates import LOCK_NOT_AVAILABLE, sqlstate

# What a writer may lose to one try. A request waits for seconds before it is given up.
LOCK_TIMEOUT_MS = 500
# Between tries the writers that queued behind the last one are served.
FIRST_PAUSE_S = 0.25
MAX_PAUSE_S = 5.0
TRIES = 30
# A killed command's session ends when the server notices, at the end of its statement.
SINGLE_PATIENCE_S = 10.0
# Any number that no other program uses: "hotrow" in ASCII.
ADVISORY_LOCK = 0x686F74726F77

_HOLDERS = """
    SELECT string_agg(format('pid %%s (%%s, %%s for %%s s)', a.pid, a.application_name, a.state,
                             round(extract(epoch FROM clock_timestamp() - a.xact_start))), ', ' ORDER BY a.xact_start)
      FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
     WHERE l.relation = to_regclass(%s) AND l.granted AND a.pid <> pg_backend_pid()"""


def execute(connection: BaseDatabaseWrapper, statements: Sequence[str], table: str) -> None:
    """Run statements in one transaction; ``table`` is the one whose lock may be hard to get."""

    def run() -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    attempt(connection, run, table)


def attempt(connection: BaseDatabaseWrapper, run: Callable[[], None], table: str) -> None:
    """Run in one transaction with a short lock_timeout, again and again until it is let through.

    Raises:
        AdoptionError: Others held the table each time; nothing of the transaction remains.
    """
    pause_s = FIRST_PAUSE_S
    for _ in range(TRIES):
        try:
            with transaction.atomic(using=connection.alias):
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                run()
        except OperationalError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            holders = facts.value(connection, _HOLDERS, [table])
        else:
            return
        time.sleep(pause_s)
        pause_s = min(MAX_PAUSE_S, 2 * pause_s)
    raise AdoptionError(
        f"{table} was in use at each of {TRIES} tries; it is held by {holders or 'nobody now'}: end long transactions, "
        "then run the command again; it goes on where it stopped"
    )


@contextmanager
def alone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep a second adoption of the same database out.

    Raises:
        AdoptionError: Another one runs.
    """
    deadline = time.monotonic() + SINGLE_PATIENCE_S
    while not facts.value(connection, "SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK]):
        if time.monotonic() > deadline:
            raise AdoptionError("another adopt_stock works on this database: wait until it has ended")
        time.sleep(FIRST_PAUSE_S)
    try:
        yield
    finally:
        if connection.is_usable():
            facts.value(connection, "SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
