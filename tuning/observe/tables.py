"""Read what a server says of tables, functions, open transactions and replicas; nothing is counted or changed."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tuning.observe.facts import FunctionFacts, ReplicaFacts, ServerFacts, Session, TableFacts

# A backend tells of its writes once a second at most (PGSTAT_MIN_INTERVAL): a shorter sample may see none.
SAMPLE_S = 2.0
CONNECT_TIMEOUT_S = 10
# Reading the catalog waits for nobody for long: a lock that DDL holds is a reason to say so, not to hang.
_TIMEOUTS = "SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '10s'; SET TRANSACTION READ ONLY"

# An index leads to its table. A partitioned table is the sum of its leaves, found without locking any.
_LEAVES = """
    WITH RECURSIVE asked AS (
        SELECT name, coalesce(i.indrelid, to_regclass(name)::oid) AS oid
          FROM unnest(%s::text[]) AS name LEFT JOIN pg_index AS i ON i.indexrelid = to_regclass(name)),
    tree AS (
        SELECT a.name, a.oid, c.oid AS relid, c.relkind FROM asked AS a JOIN pg_class AS c ON c.oid = a.oid
         UNION ALL
        SELECT t.name, t.oid, c.oid, c.relkind
          FROM tree AS t JOIN pg_inherits AS h ON h.inhparent = t.relid JOIN pg_class AS c ON c.oid = h.inhrelid
         WHERE t.relkind = 'p')"""

_TABLES = (
    _LEAVES
    + """
    SELECT l.name, format('%%s', l.oid::regclass) AS table_name, r.relkind = 'p' AS is_partitioned,
           coalesce(sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE coalesce(s.n_live_tup, 0) END), 0)::bigint
               AS rows,
           coalesce(sum({heap}), 0)::bigint AS heap,
           coalesce(sum({indexes}), 0)::bigint AS indexes,
           coalesce(sum({toast}), 0)::bigint AS toast,
           coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)::bigint AS writes
      FROM tree AS l
      JOIN pg_class AS r ON r.oid = l.oid
      LEFT JOIN pg_class AS c ON c.oid = l.relid AND c.relkind <> 'p'
      LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
     GROUP BY l.name, l.oid, r.relkind"""
)
_TABLES_SIZED = _TABLES.format(
    heap="pg_relation_size(c.oid)",
    indexes="pg_indexes_size(c.oid)",
    toast="pg_total_relation_size(nullif(c.reltoastrelid, 0))",
)
# Asking for a size waits for ACCESS EXCLUSIVE; what VACUUM and ANALYZE noted last does not.
_PAGES = "(SELECT sum(x.relpages) FROM pg_class AS x WHERE {}) * current_setting('block_size')::int"
_TABLES_NOTED = _TABLES.format(
    heap=_PAGES.format("x.oid = c.oid"),
    indexes=_PAGES.format("x.oid IN (SELECT i.indexrelid FROM pg_index AS i WHERE i.indrelid = c.oid)"),
    toast=_PAGES.format("x.oid = c.reltoastrelid"),
)

_WRITES = (
    _LEAVES
    + """
    SELECT l.name, coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)::bigint AS writes
      FROM tree AS l LEFT JOIN pg_stat_all_tables AS s ON s.relid = l.relid
     GROUP BY l.name"""
)

_PROVEN = """
    SELECT n.name, a.attname
      FROM unnest(%s::text[]) AS n (name) JOIN pg_attribute AS a ON a.attrelid = to_regclass(n.name)
     WHERE a.attnum > 0 AND (a.attnotnull OR EXISTS (
           SELECT FROM pg_constraint AS c
            WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND c.convalidated AND c.conkey = ARRAY[a.attnum]
              AND pg_get_constraintdef(c.oid) = format('CHECK ((%%I IS NOT NULL))', a.attname)))"""

_HOLDERS = """
    SELECT DISTINCT ON (n.name, s.pid) n.name, s.pid, s.usename AS user, s.application_name AS application, l.mode,
           extract(epoch FROM clock_timestamp() - s.xact_start)::float8 AS age_s, s.state, s.query
      FROM unnest(%s::text[]) AS n (name)
      LEFT JOIN pg_index AS i ON i.indexrelid = to_regclass(n.name)
      JOIN pg_locks AS l ON l.locktype = 'relation' AND l.granted
           AND l.relation = coalesce(i.indrelid, to_regclass(n.name)::oid)
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      JOIN pg_stat_activity AS s ON s.pid = l.pid
     WHERE s.pid <> pg_backend_pid() AND s.backend_type = 'client backend' AND s.xact_start IS NOT NULL
     ORDER BY n.name, s.pid, array_position(ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock',
           'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
           'AccessExclusiveLock'], l.mode) DESC"""

_OLDEST = """
    SELECT pid, usename AS user, application_name AS application, state, query,
           extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
      FROM pg_stat_activity
     WHERE pid <> pg_backend_pid() AND datname = current_database() AND xact_start IS NOT NULL
       AND backend_type = 'client backend'
     ORDER BY xact_start LIMIT 1"""

# A replica that has replayed all there is has no lag, however old its last report is.
_REPLICAS = """
    SELECT application_name AS name, coalesce(state, 'unknown') AS state,
           CASE WHEN replay_lsn = pg_current_wal_lsn() THEN 0
                ELSE coalesce(extract(epoch FROM replay_lag), 0) END::float8 AS replay_lag_s,
           coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint AS replay_lag_bytes
      FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup' ORDER BY application_name"""

_FUNCTIONS = """
    SELECT f.name, coalesce((SELECT string_agg(format_type(t, NULL), ', ' ORDER BY o)
                       FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (t, o)), '') AS arguments,
           coalesce(pg_get_function_result(p.oid), '') AS result
      FROM unnest(%s::text[]) AS f (name)
      JOIN pg_proc AS p ON p.proname = (parse_ident(f.name))[cardinality(parse_ident(f.name))]
      JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE CASE WHEN cardinality(parse_ident(f.name)) > 1 THEN n.nspname = (parse_ident(f.name))[1]
                ELSE pg_function_is_visible(p.oid) END"""

_SERVER = """
    SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS is_replica,
           pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
           greatest(1, extract(epoch FROM clock_timestamp()
               - coalesce(d.stats_reset, pg_postmaster_start_time())))::float8 AS statistics_age_s
      FROM pg_stat_database AS d WHERE d.datname = current_database()"""


def read(dsn: str, tables: Sequence[str], functions: Sequence[str], *, sample_s: float = SAMPLE_S) -> ServerFacts:
    """Read the facts of the named tables and functions; names as SQL writes them.

    Args:
        sample_s: Over how long writes are counted; 0 leaves the average since the statistics were reset.

    Raises:
        psycopg.Error: The server does not answer, or refuses.
    """
    names = list(tables)
    with psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        prepare_threshold=None,
        application_name="hotrow lint",
        row_factory=dict_row,
    ) as connection:
        with _quickly(connection):
            (server,) = connection.execute(_SERVER).fetchall()
            before = {row["name"]: row["writes"] for row in connection.execute(_WRITES, [names])}
        began = time.monotonic()
        time.sleep(sample_s if before else 0)
        # A new transaction: within one, the server's statistics stand still.
        with _quickly(connection):
            found = {row["name"]: row for row in _tables(connection, names)}
            sampled_s = time.monotonic() - began
            proven = connection.execute(_PROVEN, [names]).fetchall()
            holders = connection.execute(_HOLDERS, [names]).fetchall()
            oldest = connection.execute(_OLDEST).fetchone()
            replicas = [] if server["is_replica"] else connection.execute(_REPLICAS).fetchall()
            known = connection.execute(_FUNCTIONS, [list(functions)]).fetchall()
    facts = {}
    for name in names:
        row = found.get(name)
        if row is None:
            facts[name] = TableFacts(name, exists=False)
            continue
        sessions = [_session(holder) for holder in holders if holder["name"] == name]
        facts[name] = TableFacts(
            table=row["table_name"],
            exists=True,
            is_partitioned=row["is_partitioned"],
            rows=row["rows"],
            heap_bytes=row["heap"],
            index_bytes=row["indexes"],
            toast_bytes=row["toast"],
            writes_per_s=max(0, row["writes"] - before.get(name, 0)) / sampled_s if sample_s > 0 else 0.0,
            average_writes_per_s=row["writes"] / server["statistics_age_s"],
            holders=tuple(sorted(sessions, key=lambda session: -session.age_s)),
            not_null_columns=frozenset(each["attname"] for each in proven if each["name"] == name),
        )
    return ServerFacts(
        version=server["version"],
        sampled_s=sampled_s if sample_s > 0 else 0.0,
        sees_sessions=server["sees_sessions"],
        statistics_age_s=server["statistics_age_s"],
        oldest=_session(oldest) if oldest else None,
        replicas=tuple(ReplicaFacts(**replica) for replica in replicas),
        tables=facts,
        functions={
            name: tuple(FunctionFacts(row["arguments"], row["result"]) for row in known if row["name"] == name)
            for name in functions
        },
    )


def _tables(connection: psycopg.Connection[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    try:
        with connection.transaction():
            return connection.execute(_TABLES_SIZED, [names]).fetchall()
    except psycopg.errors.LockNotAvailable:
        return connection.execute(_TABLES_NOTED, [names]).fetchall()


@contextmanager
def _quickly(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[None]:
    """A read-only transaction that gives up soon; its settings end with it, so a pooler may be in between."""
    with connection.transaction():
        connection.execute(_TIMEOUTS)
        yield


def _session(row: dict[str, Any]) -> Session:
    return Session(
        pid=row["pid"],
        user=row["user"],
        application=row["application"] or "",
        age_s=row["age_s"],
        state=row["state"] or "unknown",
        query=row["query"] or "",
        mode=row.get("mode", ""),
    )
