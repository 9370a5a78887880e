"""Let replicas keep up with a long job."""

import logging
import time

from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

# Four segments of write-ahead log: a replica replays that in about a second, and a failover loses no more.
MAX_LAG_BYTES = 4 * 16 * 1024 * 1024
LAG_INTERVAL_S = 0.5
LAG_LOG_INTERVAL_S = 10.0


def lagging(connection: BaseDatabaseWrapper) -> tuple[str, int] | None:
    """The streaming replica that is furthest behind the allowed, and by how many bytes.

    A role without pg_read_all_stats sees no replica's position, and so none that lags.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn)::bigint"
            "  FROM pg_catalog.pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL"
            "   AND pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn) > %s"
            " ORDER BY 2 DESC LIMIT 1",
            [MAX_LAG_BYTES],
        )
        row = cursor.fetchone()
    return None if row is None else (row[0], row[1])


def wait(connection: BaseDatabaseWrapper, doing: str) -> None:
    """Wait until every streaming replica is near enough; each look is a statement of its own."""
    told = float("-inf")
    while (found := lagging(connection)) is not None:
        if time.monotonic() - told > LAG_LOG_INTERVAL_S:
            told = time.monotonic()
            logger.info("%s waits for replica %s, which is %s MiB behind", doing, found[0], found[1] // 2**20)
        time.sleep(LAG_INTERVAL_S)
