"""Ask the replica and the primary how far they are, and promote."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tuning.failover.facts import Address, Primary, Replica

CONNECT_TIMEOUT_S = 3
# What was received is replayed first, and a recovery that has so much to do writes it out at its end.
PROMOTE_TIMEOUT_S = 300

# A timeline is the first eight digits of a segment's name; a server in recovery has no segment of its own.
_SERVER = """
SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system()),
       CASE WHEN NOT pg_is_in_recovery()
            THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
       CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_flush_lsn() - '0/0')::bigint END,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_snapshot_xmax(pg_current_snapshot())::text::bigint END
"""
_RECOVERY = """
SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_receive_lsn() - '0/0')::bigint END,
       CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END,
       pg_last_xact_replay_timestamp(),
       (SELECT clock_timestamp() - last_msg_receipt_time FROM pg_stat_wal_receiver WHERE status = 'streaming'),
       clock_timestamp(),
       has_function_privilege('pg_catalog.pg_promote(boolean, integer)', 'EXECUTE')
"""


class Silent(Exception):
    """A server did not answer; ``lives`` where it turned the caller away."""

    def __init__(self, reason: str, *, lives: bool) -> None:
        super().__init__(reason)
        self.lives = lives


def address(dsn: str) -> Address:
    """Where a connection string leads, as PgBouncer would be told of it."""
    given = conninfo_to_dict(dsn)
    return Address(str(given.get("host") or "127.0.0.1"), str(given.get("port") or "5432"))


def at(dsn: str, where: Address) -> str:
    """The same connection string, for another server."""
    return make_conninfo(dsn, host=where.host, port=where.port)


def read_replica(dsn: str) -> Replica:
    """Ask the server that is to be the primary.

    Raises:
        Silent: It does not answer, or lets this role not see what is needed.
    """
    with _connect(dsn) as connection:
        is_in_recovery, system, timeline, _, _ = _row(connection, _SERVER)
        received, replayed, last_commit_at, heard, asked_at, may_promote = _row(connection, _RECOVERY)
    return Replica(
        is_in_recovery=is_in_recovery,
        system=system,
        timeline=timeline,
        received=received,
        replayed=replayed,
        last_commit_at=last_commit_at,
        heard=heard,
        asked_at=asked_at,
        may_promote=may_promote,
    )


def read_primary(dsn: str) -> Primary:
    """Ask the server that PgBouncer goes to.

    Raises:
        Silent: It does not answer, or lets nobody in.
    """
    with _connect(dsn) as connection:
        return Primary(*_row(connection, _SERVER))


def promote(dsn: str) -> None:
    """Make a replica the primary, with all that it has received; one that is so already stays so.

    Raises:
        Silent: It does not answer, or was not ready in time.
    """
    with _connect(dsn) as connection:
        if _row(connection, "SELECT pg_is_in_recovery()")[0]:
            (is_done,) = _row(connection, f"SELECT pg_promote(true, {PROMOTE_TIMEOUT_S})")
            if not is_done:
                raise Silent(f"the replica was not promoted within {PROMOTE_TIMEOUT_S} s; run this again", lives=True)


def write(dsn: str) -> Address:
    """Commit a message to the write-ahead log, which changes no table; the server that took it.

    Raises:
        Silent: It could not be written.
    """
    with _connect(dsn) as connection:
        _row(connection, "SELECT pg_logical_emit_message(true, 'hotrow', 'failover')")
        host, port = _row(connection, "SELECT host(inet_server_addr()), inet_server_port()")
    return Address(str(host), str(port))


def _connect(dsn: str) -> psycopg.Connection:
    try:
        timeout = conninfo_to_dict(dsn).get("connect_timeout") or CONNECT_TIMEOUT_S
        return psycopg.connect(dsn, autocommit=True, prepare_threshold=None, connect_timeout=int(timeout))
    except psycopg.OperationalError as error:
        told = str(error).strip()
        # A server that refuses in its own words is there: "FATAL:  the database system is starting up".
        raise Silent(told.splitlines()[-1].strip(), lives="FATAL" in told) from error


def _row(connection: psycopg.Connection, statement: str) -> tuple:  # type: ignore[type-arg]  # as many kinds as columns
    try:
        row = connection.execute(statement).fetchone()
    except psycopg.Error as error:
        raise Silent(str(error).strip().splitlines()[0], lives=True) from error
    assert row is not None
    return row
