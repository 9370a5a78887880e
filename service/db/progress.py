"""Tell how far the build of an index is, from what the server says of it."""

import logging
import time

from django.db.backends.utils import CursorWrapper

from service.db.blockers import blockers

logger = logging.getLogger(__name__)

# A line for each phase, and one now and then in a long one.
LOG_INTERVAL_S = 10.0


class BuildProgress:
    """Logs the phases of the build in one session; a look for :func:`observer.looking`."""

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        self.name = name
        self._phase = ""
        self._told = float("-inf")

    def __call__(self, cursor: CursorWrapper) -> None:
        cursor.execute(
            "SELECT phase, coalesce(nullif(blocks_total, 0), tuples_total),"
            " CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END"
            " FROM pg_catalog.pg_stat_progress_create_index WHERE pid = %s",
            [self.pid],
        )
        row = cursor.fetchone()
        if row is None or row[0] is None:
            return
        phase, total, done = row
        if phase == self._phase and time.monotonic() - self._told < LOG_INTERVAL_S:
            return
        self._phase, self._told = phase, time.monotonic()
        share = f", {100 * done / total:.0f} %" if total else ""
        waits_for = "; ".join(str(one) for one in blockers(cursor, self.pid))
        logger.info("index %s: %s%s%s", self.name, phase, share, f", for {waits_for}" if waits_for else "")


class WaitProgress:
    """Logs whom one session waits for; a look for :func:`observer.looking`."""

    def __init__(self, pid: int, doing: str) -> None:
        self.pid = pid
        self.doing = doing
        self._told = float("-inf")

    def __call__(self, cursor: CursorWrapper) -> None:
        if time.monotonic() - self._told < LOG_INTERVAL_S:
            return
        waits_for = "; ".join(str(one) for one in blockers(cursor, self.pid))
        if waits_for:
            self._told = time.monotonic()
            logger.info("%s waits for %s", self.doing, waits_for)
