"""Positions in the write-ahead log, as numbers: one scale for a primary and its replicas (ADR 23).

The position of a change is 1 more than what the primary had written when the change was committed. An
answer that says it has seen a position has seen every change at or before it, and none after its end.
"""

import re

from django.db.backends.base.base import BaseDatabaseWrapper

_WRITTEN = "(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
_REPLAYED = "(pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint"

# Read before a snapshot is taken. A commit is in the log before others see it, so a primary has shown all
# that stands before what it has written, and not yet what ends there; a replica shows what it has replayed.
# Records begin at multiples of 8: nothing lies between a position and 1 more.
SEEN = f"(CASE WHEN pg_is_in_recovery() THEN {_REPLAYED} + 1 ELSE {_WRITTEN} END)"
# Read after it: a snapshot shows nothing that came into the log later.
END = f"(CASE WHEN pg_is_in_recovery() THEN {_REPLAYED} ELSE {_WRITTEN} END)"
# Commits that are in the log wait for the disk before they are shown. So where the log has not moved between
# two readers of a primary, the one for whom more transactions had ended is the later one. A standby keeps no
# list of those under way, and needs none: it shows what it has replayed.
ENDED = (
    "(CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    " - (SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot())) END)"
)
_CHANGE = f"SELECT {_WRITTEN} + 1"

# For a change of which nobody knows the position: no replica can say that it has it. No server has
# written so much, and Lua counts exactly so far.
UNKNOWN = 2**52

_TOKEN = re.compile(r"1-([0-9a-f]{1,14})")


def after_commit(connection: BaseDatabaseWrapper) -> int:
    """The position of what this session has just committed; a small query.

    Raises:
        django.db.Error: The server is away, or only reads.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE)
        return int(cursor.fetchone()[0])


def token(position: int) -> str:
    """How a client is told a position, and sends it back."""
    return f"1-{position:x}"


def position(token: str) -> int:
    """Read a token.

    Raises:
        ValueError: It is none.
    """
    found = _TOKEN.fullmatch(token)
    if found is None or (number := int(found[1], 16)) > UNKNOWN:
        raise ValueError("no position")
    return number
