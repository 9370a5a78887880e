"""What a long operation asks of its session: no timeouts, and no other migration beside it."""

import contextlib
import logging
import time
from collections.abc import Iterator

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from service.db.blockers import COLUMNS, blockers, session
from service.db.errors import LockNotObtained

logger = logging.getLogger(__name__)

# strong_migrations gives a statement an hour; who comes second waits as long for the first.
TURN_TIMEOUT_S = 3600.0
TURN_INTERVAL_S = 0.5
TURN_LOG_INTERVAL_S = 10.0
_TIMEOUTS = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"]
_KEY = "pg_catalog.hashtextextended('hotrow.migrations', 0)"


@contextlib.contextmanager
def without_timeouts(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Lift the session's timeouts for a statement that waits under a weak lock, and set them again.

    A concurrent build that a timeout ends leaves an invalid index (ADR 15).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings WHERE name = ANY (%s)",
            [_TIMEOUTS],
        )
        before = dict(cursor.fetchall())
        _set(cursor, dict.fromkeys(before, "0"))
    try:
        yield
    finally:
        # The server forgets the settings of a connection that is lost.
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            _set(cursor, before)


@contextlib.contextmanager
def turn(connection: BaseDatabaseWrapper, what: str) -> Iterator[None]:
    """Wait until no other migration is in this database, and keep others out until the block is left.

    A session that waits inside ``pg_advisory_lock`` has a snapshot, which a concurrent build would
    wait for in turn. So the lock is asked for again and again and never waited for.

    A killed client's server process goes on, with its lock, until its statement has ended: whoever
    comes next finds the finished index.
    """
    started = told = time.monotonic()
    while not _try(connection):
        now = time.monotonic()
        if now - started > TURN_TIMEOUT_S:
            raise LockNotObtained(f"{what}: another migration has been running for an hour: {_holder(connection)}")
        if told in (started, now) or now - told > TURN_LOG_INTERVAL_S:
            told = now
            logger.info("%s waits for another migration: %s", what, _holder(connection))
        time.sleep(TURN_INTERVAL_S)
    try:
        yield
    finally:
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_catalog.pg_advisory_unlock({_KEY})")


@contextlib.contextmanager
def rolled_back(connection: BaseDatabaseWrapper) -> Iterator[CursorWrapper]:
    """A transaction, or a savepoint of the one that is open, of which nothing stays."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        yield cursor
        transaction.set_rollback(True, using=connection.alias)


def _set(cursor: CursorWrapper, values: dict[str, str]) -> None:
    for name, value in values.items():
        cursor.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])


def _try(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_catalog.pg_try_advisory_lock({_KEY})")
        return bool(cursor.fetchone()[0])


def _holder(connection: BaseDatabaseWrapper) -> str:
    """Who has the turn, and for whom that one waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid"  # noqa: S608
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            "   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
            f"  AND ((l.classid::bigint << 32) | l.objid::bigint) = {_KEY}"
        )
        row = cursor.fetchone()
        if row is None:
            return "it has just ended"
        holder = session(row)
        waits_for = "; ".join(str(one) for one in blockers(cursor, holder.pid))
    return f"{holder}{f', which waits for {waits_for}' if waits_for else ''}"
