"""Build or drop one index on the target without blocking its writers, and leave nothing behind that fails.

The same discipline as the migration operations of service/db, which a project's migrations go through: no pooler in
between, no long transaction in the way, no timeout, and the result looked at.
"""

import contextlib

import psycopg

from tuning.whatif.candidate import quoted
from tuning.whatif.definition import Definition
from tuning.whatif.errors import NotApplied

# As service/db/preflight.py: a concurrent build waits for every transaction that is older than itself.
LONG_TRANSACTION_S = 30
_LONG = """
    SELECT string_agg(format('pid %%s of %%s for %%s s: %%s', pid, usename,
                             round(extract(epoch FROM clock_timestamp() - xact_start)), left(query, 60)), '; ')
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
       AND xact_start < clock_timestamp() - %s * interval '1 s'"""
_STATE = """
    SELECT i.indisvalid AND i.indisready AND i.indislive, pg_get_indexdef(i.indexrelid), c.relkind::text
      FROM pg_class AS c LEFT JOIN pg_index AS i ON i.indexrelid = c.oid WHERE c.oid = to_regclass(%s)"""
_SCHEMA = """
    SELECT n.nspname::text, c.relkind = 'p'
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)"""


def build(dsn: str, definition: Definition) -> str:
    """Build an index CONCURRENTLY, and return the statement that takes it back.

    Raises:
        NotApplied: Something is in the way, or the index could not be used; an invalid one was dropped again.
        psycopg.Error: The server refuses.
    """
    with _session(dsn) as connection:
        row = connection.execute(_SCHEMA, [definition.candidate.on]).fetchone()
        if row is None:
            raise NotApplied(f"the target has no table {definition.candidate.on}")
        if row[1]:
            raise NotApplied(
                f"{definition.candidate.on} is partitioned, and PostgreSQL builds no index of all partitions "
                "concurrently: build one for each partition, then one ON ONLY the parent, and ATTACH them"
            )
        name = f"{quoted(row[0])}.{quoted(definition.name)}"
        found = connection.execute(_STATE, [name]).fetchone()
        if found is not None:
            raise NotApplied(
                f"{name} is there already ({found[1] or 'no index'}): drop it, or give this one another name"
            )
        _refuse_long(connection, f"building {name}")
        reverse = f"DROP INDEX CONCURRENTLY {name}"
        try:
            connection.execute(definition.sql(concurrently=True).encode())
        except BaseException:
            with contextlib.suppress(psycopg.Error):
                after = connection.execute(_STATE, [name]).fetchone()
                if after is not None and not after[0]:
                    connection.execute(reverse.encode())
            raise
        after = connection.execute(_STATE, [name]).fetchone()
        if after is None or not after[0]:
            connection.execute(reverse.encode())
            raise NotApplied(f"{name} was built and cannot be used; it was dropped again")
        return reverse


def drop(dsn: str, schema: str, name: str) -> str:
    """Drop an index CONCURRENTLY, and return the statement that brings it back.

    Raises:
        NotApplied: It is gone, or something is in the way.
        psycopg.Error: The server refuses.
    """
    with _session(dsn) as connection:
        full = f"{quoted(schema)}.{quoted(name)}"
        found = connection.execute(_STATE, [full]).fetchone()
        if found is None or found[1] is None:
            raise NotApplied(f"the target has no index {full}")
        _refuse_long(connection, f"dropping {full}")
        connection.execute(f"DROP INDEX CONCURRENTLY {full}".encode())
        return concurrently(found[1])


def concurrently(statement: str) -> str:
    """What pg_get_indexdef writes, to be built without blocking writers."""
    head, _, rest = statement.partition(" INDEX ")
    return f"{head} INDEX CONCURRENTLY {rest}"


def _session(dsn: str) -> psycopg.Connection:
    connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None, application_name="hotrow index")
    row = connection.execute("SELECT pg_backend_pid(), pg_is_in_recovery()").fetchone()
    assert row is not None
    if row[0] != connection.info.backend_pid:
        connection.close()
        raise NotApplied("a pooler stands between: give the host and port of PostgreSQL itself")
    if row[1]:
        connection.close()
        raise NotApplied("the target is a replica: give the primary")
    # A concurrent build waits by locks, in the end for minutes: only whoever looks at it should end it.
    connection.execute("SET lock_timeout = 0")
    connection.execute("SET statement_timeout = 0")
    return connection


def _refuse_long(connection: psycopg.Connection, doing: str) -> None:
    row = connection.execute(_LONG, [LONG_TRANSACTION_S]).fetchone()
    if row is not None and row[0]:
        raise NotApplied(f"{doing} would wait for transactions that have long been open: {row[0]}")
