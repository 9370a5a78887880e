"""Refuse before anything is begun: in a transaction, through a pooler, behind a long transaction."""

import logging

from django.db.backends.base.base import BaseDatabaseWrapper

from service.db.blockers import COLUMNS, session
from service.db.errors import LongTransaction, WronglyUsed
from service.db.observer import backend_pid
from service.db.tables import Table

logger = logging.getLogger(__name__)

# A concurrent build waits for every transaction that is older than itself. The kit's own requests
# end after 10 s (the role's statement_timeout): what is open three times as long is no request.
LONG_TRANSACTION_S = 30.0

_LOCKS = """FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND granted AND relation = %s
    AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"""


def refuse_transaction(connection: BaseDatabaseWrapper, what: str) -> None:
    if connection.in_atomic_block or not connection.get_autocommit():
        raise WronglyUsed(f"{what} cannot run in a transaction: set atomic = False in its migration")


def refuse_pooler(connection: BaseDatabaseWrapper, what: str) -> None:
    """Refuse a connection whose session is not its own.

    At the login a server tells its process id, which a client needs to cancel a query. A pooler
    tells a number of its own instead, since the server behind it changes. Proxies that only pass
    bytes on pass on the server's. In session mode a pooler does the same, and nothing tells a
    client which mode it is: it is refused too.
    """
    connection.ensure_connection()
    if connection.connection.info.backend_pid != backend_pid(connection):
        raise WronglyUsed(
            f"{what} needs a session of its own, and a pooler stands between: run the migrations with the host and "
            "port of PostgreSQL itself"
        )


def refuse_long_transactions(connection: BaseDatabaseWrapper, what: str, table: Table) -> None:
    """Refuse what would have to wait for a transaction that has been open for long.

    It would for one with a snapshot, and for one that used the table; the others are nobody's concern.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM pg_catalog.pg_stat_activity AS a"  # noqa: S608
            " WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()"
            "   AND a.backend_type IN ('client backend', 'background worker')"
            "   AND a.xact_start < clock_timestamp() - %s * interval '1 s' AND (a.backend_xmin IS NOT NULL"
            f"      OR a.pid IN (SELECT pid {_LOCKS})) ORDER BY a.xact_start",
            [LONG_TRANSACTION_S, table.oid],
        )
        found = [str(session(row)) for row in cursor.fetchall()]
        cursor.execute(  # what is prepared has no process: its locks are tied to it by its transaction's
            "SELECT format('prepared transaction %%s of user %%s since %%s', gid, owner, prepared)"  # noqa: S608
            "  FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()"
            "   AND prepared < clock_timestamp() - %s * interval '1 s'"
            "   AND transaction IN (SELECT transactionid FROM pg_catalog.pg_locks WHERE locktype = 'transactionid'"
            f"     AND pid IS NULL AND virtualtransaction IN (SELECT virtualtransaction {_LOCKS} AND pid IS NULL))",
            [LONG_TRANSACTION_S, table.oid],
        )
        found += [row[0] for row in cursor.fetchall()]
        # Without pg_read_all_stats the age of other roles' transactions is hidden; that there are some is not.
        cursor.execute(
            "SELECT count(*) FROM pg_catalog.pg_stat_activity AS a JOIN pg_catalog.pg_locks AS l ON l.pid = a.pid"
            " WHERE a.datname = pg_catalog.current_database() AND a.query = '<insufficient privilege>'"
            "   AND l.locktype = 'virtualxid' AND l.granted"
        )
        hidden = cursor.fetchone()[0]
    if hidden:
        logger.warning("%s: the age of %s transactions is hidden: GRANT pg_read_all_stats to see it", what, hidden)
    if found:
        raise LongTransaction(
            f"{what} would wait for transactions that have been open for over {LONG_TRANSACTION_S:g} s: "
            f"{'; '.join(found)}. Wait until they have ended, or end them, and migrate again"
        )
