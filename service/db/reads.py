"""Read on the replica where that is as good, and on the primary otherwise; never to decide anything.

Whether the replica was good enough is asked in the same message as the question, before its snapshot is
taken: so the server that says how far it is, is the one that answers, and it costs no round trip.
"""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from service.db import positions
from service.db.bounded_postgresql.base import DatabaseWrapper
from service.db.pooled import give_back
from service.db.replica import Replica, replica
from service.db.router import REPLICA
from service.db.statements import Preceded

logger = logging.getLogger(__name__)

# A replica on the same network replays a commit within some of these.
POLL_S = 0.005

_WHERE = f"SELECT pg_is_in_recovery(), {positions.SEEN}"

Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """``seen`` is the position up to which every change is in the rows."""

    rows: list[tuple[Any, ...]]
    seen: int
    is_from_replica: bool = False


def read(statement: str, parameters: Parameters, least: int = 0) -> Read:
    """Run one SELECT.

    Args:
        least: The position that the answer must have seen; the primary has seen whatever was committed.

    Raises:
        django.db.Error: The primary is away, or refuses the statement.
    """
    server = replica()
    if server is not None and server.is_of_use(least):
        found = _from_replica(server, statement, parameters, least)
        if found is not None:
            return found
    return read_primary(statement, parameters)


def read_primary(statement: str, parameters: Parameters) -> Read:
    """As :func:`read`, on the primary in any case."""
    _, found = _ask(connection, statement, parameters)
    return found


def _from_replica(server: Replica, statement: str, parameters: Parameters, least: int) -> Read | None:
    """What the replica says; None if that is too old, or nothing."""
    try:
        session = _since_last_outage(server)
        for _ in range(2):
            is_replica, found = _ask(session, statement, parameters)
            if not is_replica:
                server.left()
                return None
            if not server.accepts(found.seen):
                return None
            if found.seen >= least:
                return found
            if not _caught_up(server, least):
                return None
    except DatabaseError as error:
        # Whatever it is, the primary knows: the replica has no such table yet, or took a row away.
        logger.debug("not read on the replica: %s", error)
        server.failed(error)
        with contextlib.suppress(DatabaseError):
            connections[REPLICA].close()
    return None


def _since_last_outage(server: Replica) -> BaseDatabaseWrapper:
    """This request's connection to the replica, unless it is of before an outage: none of those is tried."""
    session = connections[REPLICA]
    assert isinstance(session, DatabaseWrapper)
    if session.outages_seen != server.outages:
        session.close()
        session.outages_seen = server.outages
    return session


def _caught_up(server: Replica, least: int) -> bool:
    """Wait for the replica to have seen this; no transaction is open meanwhile, and no connection of a pool taken."""
    deadline = time.monotonic() + server.wait_s
    while time.monotonic() < deadline:
        give_back(REPLICA)
        time.sleep(POLL_S)
        with connections[REPLICA].cursor() as cursor:
            cursor.execute(_WHERE)
            is_replica, seen = cursor.fetchone()
        if not is_replica or not server.accepts(seen):
            return False
        if seen >= least:
            return True
    return False


def _ask(session: BaseDatabaseWrapper | Any, statement: str, parameters: Parameters) -> tuple[bool, Read]:
    """Two statements in one message: where the server is, and then, with a later snapshot, the question."""
    with session.cursor() as cursor:
        cursor.execute(Preceded.by(_WHERE, statement), parameters)
        is_replica, seen = cursor.fetchone()
        cursor.nextset()
        return is_replica, Read(cursor.fetchall(), seen, is_replica)
