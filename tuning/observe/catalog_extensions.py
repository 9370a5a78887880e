"""The queries of extensions, each where it is installed, and the estimate of an index's size where one is not."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from tuning.observe.relations import Index
from tuning.observe.snapshot import Predicate, StatementStats

Connection = psycopg.Connection[dict[str, Any]]

MOST_STATEMENTS = 1000
MOST_PREDICATES = 1000
# pgstatindex reads the whole index: the largest that are worth it, and so much in all.
MIN_DENSITY_BYTES = 1024 * 1024
MOST_DENSITY_BYTES = 1024**3
MOST_DENSITY_INDEXES = 50

_EXTENSION = """
    SELECT n.nspname::text AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
     WHERE e.extname = %s"""
_STATEMENTS = """
    SELECT query, sum(calls)::bigint AS calls, sum(total_exec_time)::float8 AS total_ms, sum(rows)::bigint AS rows
      FROM {}.pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     GROUP BY query ORDER BY 3 DESC LIMIT %s"""
_HIDDEN = "<insufficient privilege>"
# The view, and not the extension's name: it may be installed through a wrapper of the provider.
_QUALSTATS = """
    SELECT n.nspname::text AS schema FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relname = 'pg_qualstats' AND c.relkind = 'v' LIMIT 1"""
# pg_qualstats: execution_count is how many rows were compared, nbfiltered how many of them were thrown away.
_PREDICATES = """
    SELECT q.lrelid::bigint AS table_oid, a.attname::text AS column, o.oprname::text AS operator,
           sum(q.occurences)::bigint AS calls, sum(q.execution_count)::bigint AS rows,
           sum(q.nbfiltered)::bigint AS filtered
      FROM {}.pg_qualstats AS q
      JOIN pg_attribute AS a ON a.attrelid = q.lrelid AND a.attnum = q.lattnum
      JOIN pg_operator AS o ON o.oid = q.opno
     WHERE q.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     GROUP BY 1, 2, 3 ORDER BY 6 DESC LIMIT %s"""
_MAY_MEASURE = "SELECT has_function_privilege(format('%%I.pgstatindex(regclass)', %s::text), 'EXECUTE') AS may"
_DENSITY = "SELECT avg_leaf_density::float8 / 100 AS density FROM {}.pgstatindex(%s::regclass)"
# Widths of keys and INCLUDE by pg_stats: of the table for columns, of the index itself for expressions.
_WIDTHS = """
    SELECT i.indexrelid::bigint AS oid, sum(w.avg_width)::float8 AS width, count(*) = count(w.avg_width) AS is_whole
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_class AS t ON t.oid = i.indrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL generate_series(1, i.indnatts) AS k
      LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND i.indkey[k - 1] > 0
      LEFT JOIN pg_attribute AS x ON x.attrelid = c.oid AND x.attnum = k
      LEFT JOIN LATERAL (
           SELECT p.avg_width FROM pg_stats AS p
            WHERE p.schemaname = n.nspname
              AND p.tablename = CASE WHEN a.attnum IS NULL THEN c.relname ELSE t.relname END
              AND p.attname = coalesce(a.attname, x.attname) LIMIT 1) AS w ON true
     WHERE i.indexrelid = ANY (%s) GROUP BY 1"""
# PostgreSQL's page: 24 bytes of header and 16 of the b-tree's; an entry has 8 of header and a line pointer of 4.
_PAGE_BYTES, _PAGE_OVERHEAD, _ENTRY_HEADER, _LINE_POINTER, _ALIGNMENT = 8192, 40, 8, 4, 8
# The fill factor that b-tree leaves are built with.
LEAF_FILL = 0.9


def statements(connection: Connection) -> tuple[StatementStats, ...]:
    """What took the most time in this database.

    Raises:
        LookupError: pg_stat_statements is not installed.
        PermissionError: The role may read the texts of none.
    """
    schema = _schema(connection, "pg_stat_statements")
    rows = connection.execute(sql.SQL(_STATEMENTS).format(sql.Identifier(schema)), [MOST_STATEMENTS]).fetchall()
    found = tuple(StatementStats(**row) for row in rows if row["query"] and row["query"] != _HIDDEN)
    if rows and len(found) < len(rows):
        user = connection.info.user
        raise PermissionError(f'{user} does not see the statements of others: GRANT pg_read_all_stats TO "{user}"')
    return found


def predicates(connection: Connection) -> tuple[Predicate, ...]:
    """What comparisons threw away, most first.

    Raises:
        LookupError: pg_qualstats is not installed.
    """
    row = connection.execute(_QUALSTATS).fetchone()
    if row is None:
        raise LookupError("pg_qualstats is not installed in this database")
    query = sql.SQL(_PREDICATES).format(sql.Identifier(row["schema"]))
    return tuple(Predicate(**each) for each in connection.execute(query, [MOST_PREDICATES]))


def densities(connection: Connection, indexes: Iterable[Index]) -> dict[int, float]:
    """How full the leaves of the largest b-trees are, 0 to 1, by the index's oid.

    Raises:
        LookupError: pgstattuple is not installed.
        PermissionError: The role may not run it.
    """
    schema = _schema(connection, "pgstattuple")
    (row,) = connection.execute(_MAY_MEASURE, [schema]).fetchall()
    if not row["may"]:
        user = connection.info.user
        raise PermissionError(f'{user} may not run pgstatindex: GRANT pg_stat_scan_tables TO "{user}"')
    query = sql.SQL(_DENSITY).format(sql.Identifier(schema))
    found: dict[int, float] = {}
    read_bytes = 0
    for index in _largest(indexes)[:MOST_DENSITY_INDEXES]:
        read_bytes += index.size_bytes
        if read_bytes > MOST_DENSITY_BYTES:
            read_bytes -= index.size_bytes
            continue
        (row,) = connection.execute(query, [index.name]).fetchall()
        if row["density"] == row["density"]:  # an empty index has NaN
            found[index.oid] = row["density"]
    return found


def expected_sizes(connection: Connection, indexes: Iterable[Index]) -> dict[int, int]:
    """About how many bytes b-trees would have if they were built now, by the widths of their columns.

    Duplicates are kept once since PostgreSQL 13, so a real one may be smaller; never is it much larger.
    """
    sized = {index.oid: index for index in _largest(indexes)}
    rows = connection.execute(_WIDTHS, [list(sized)]).fetchall()
    return {row["oid"]: _expected(sized[row["oid"]].rows, row["width"]) for row in rows if row["is_whole"]}


def with_sizes(index: Index, densities: dict[int, float], expected: dict[int, int]) -> Index:
    return replace(index, leaf_density=densities.get(index.oid), expected_bytes=expected.get(index.oid))


def _largest(indexes: Iterable[Index]) -> list[Index]:
    btrees = [
        index
        for index in indexes
        if index.method == "btree" and index.kind == "i" and index.is_valid and index.size_bytes >= MIN_DENSITY_BYTES
    ]
    return sorted(btrees, key=lambda index: -index.size_bytes)


def _expected(rows: int, width: float) -> int:
    data = -(-width // _ALIGNMENT) * _ALIGNMENT
    entries = (_PAGE_BYTES - _PAGE_OVERHEAD) * LEAF_FILL // (_ENTRY_HEADER + data + _LINE_POINTER)
    return int(-(-rows // max(1, entries)) + 1) * _PAGE_BYTES


def _schema(connection: Connection, extension: str) -> str:
    row = connection.execute(_EXTENSION, [extension]).fetchone()
    if row is None:
        raise LookupError(f"{extension} is not installed in this database: CREATE EXTENSION {extension}")
    return str(row["schema"])
