"""What this process knows of the replica: whether it answers, and how far it is behind.

``now() - pg_last_xact_replay_timestamp()`` grows while nobody writes, and a replica that is cut off has
replayed all that it received. So positions of the primary are noted with their times: the replica shows
everything up to the newest note that it has replayed (ADR 23).

A thread looks once a second for as long as somebody reads. No request asks a replica that is known to be away.
"""

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import cache

from django.db import DEFAULT_DB_ALIAS, close_old_connections, connection, connections
from django.db import Error as DatabaseError

from service.config.environment import environment
from service.db import positions
from service.db.router import REPLICA
from service.db.sqlstates import is_connection_lost, sqlstate

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0
# A process that is asked now and then looks all the time; one that rests asks nobody.
IDLE_S = 10.0
# Writers note more often than that; the lag is not told any finer.
_NOTE_INTERVAL_S = 0.1
# Of the longest limit that can be set.
_NOTES_KEPT_S = 60.0

_LOOK = f"SELECT pg_is_in_recovery(), {positions.SEEN}"


@dataclass(frozen=True, slots=True)
class State:
    """``lag_s`` is at least what the replica is behind; None while that is not known."""

    is_away: bool
    lag_s: float | None


class Replica:
    """The replica as one process sees it.

    Args:
        max_lag_s: Beyond this it is not read.
        wait_s: How long a read waits for what it must have seen.
    """

    def __init__(self, max_lag_s: float, wait_s: float) -> None:
        self.max_lag_s, self.wait_s = max_lag_s, wait_s
        self.is_away = True
        self.outages = 0
        self._seen, self._seen_at = 0, 0.0
        self._notes: deque[tuple[int, float]] = deque()
        self._lock = threading.Lock()
        self._asked_at = 0.0
        self._is_watched = False

    def state(self) -> State:
        lag_s = self.lag_s(self._seen)
        return State(self.is_away, None if lag_s == float("inf") else lag_s)

    def is_of_use(self, least: int) -> bool:
        """Whether to ask it, for an answer that must have seen ``least``; keeps this process looking."""
        self._asked_at = time.monotonic()
        if not self._is_watched:
            self._start()
        if self.is_away or least == positions.UNKNOWN or self.lag_s(self._seen) > self.max_lag_s:
            return False
        return least <= self._seen or self._behind_s() <= self.wait_s

    def accepts(self, seen: int) -> bool:
        """Whether what it shows is young enough, now that it has told how much it has seen."""
        self._seen, self._seen_at = seen, time.monotonic()
        return self.lag_s(seen) <= self.max_lag_s

    def note(self, position: int, at: float) -> None:
        """Remember a position of the primary that was read at or after ``at``, of the monotonic clock."""
        with self._lock:
            if self._notes and at - self._notes[-1][1] < _NOTE_INTERVAL_S:
                return
            self._notes.append((position, at))
            while at - self._notes[0][1] > _NOTES_KEPT_S:
                self._notes.popleft()

    def lag_s(self, seen: int) -> float:
        """How long ago everything that the primary had was in what is seen, at the most."""
        with self._lock:
            shown_at = next((at for position, at in reversed(self._notes) if position <= seen), float("-inf"))
        return time.monotonic() - shown_at

    def failed(self, error: DatabaseError) -> None:
        """Leave it alone until it answers again, unless the error is of one statement."""
        if is_connection_lost(error) or sqlstate(error) is None:
            self._leave(str(error))

    def left(self) -> None:
        self._leave("it is no replica any more")

    def _leave(self, why: str) -> None:
        if not self.is_away:
            self.outages += 1
            logger.warning("the replica is left alone (%s): reads go to the primary", why.strip())
        self.is_away = True

    def _behind_s(self) -> float:
        """How far it was behind when it was last asked, at the least."""
        with self._lock:
            missing_since = next((at for position, at in self._notes if position > self._seen), None)
        return 0.0 if missing_since is None else self._seen_at - missing_since

    def _start(self) -> None:
        with self._lock:
            if self._is_watched:
                return
            self._is_watched = True
        threading.Thread(target=self._watch, name="replica-watch", daemon=True).start()

    def _watch(self) -> None:
        try:
            while time.monotonic() - self._asked_at < IDLE_S:
                self._look()
                # As at the end of a request: back to the pool, or kept.
                close_old_connections()
                time.sleep(INTERVAL_S)
        finally:
            self._is_watched = False
            connections.close_all()

    def _look(self) -> None:
        at = time.monotonic()
        try:
            self.note(positions.after_commit(connection), at)
        except DatabaseError as error:
            logger.debug("the primary's position is not known: %s", error)
        try:
            with connections[REPLICA].cursor() as cursor:
                cursor.execute(_LOOK)
                is_replica, seen = cursor.fetchone()
        except DatabaseError as error:
            connections[REPLICA].close()
            self._leave(str(error))
            return
        self.accepts(seen)
        if not is_replica:
            self.left()
        elif self.is_away:
            self.is_away = False
            logger.info("the replica is read")


def replica() -> Replica | None:
    """The replica, where one is configured; a forked worker has its own view of it."""
    return _replica(os.getpid())


def state() -> State | None:
    """What a metric can tell of it; None where none is configured."""
    found = replica()
    return None if found is None else found.state()


def committed(alias: str = DEFAULT_DB_ALIAS) -> int | None:
    """The position of what this session has just committed; never fails, because that is done.

    Returns:
        ``positions.UNKNOWN`` where the server does not tell, and None where no replica is configured.
    """
    found = replica()
    if found is None:
        return None
    at = time.monotonic()
    try:
        position = positions.after_commit(connections[alias])
    except DatabaseError as error:
        logger.warning("the position of a change is not known (%s): the primary is read for it", error)
        return positions.UNKNOWN
    found.note(position, at)
    return position


@cache
def _replica(pid: int) -> Replica | None:
    env = environment()
    return None if env.replica_url is None else Replica(env.replica_max_lag_s, env.replica_wait_s)
