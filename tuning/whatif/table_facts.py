"""What the advice on a table's indexes needs of the server: sizes, columns, indexes, writes, and the planner's own
estimate of how many rows a condition leaves. Nothing is executed: conditions are only planned."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from tuning.whatif.candidate import quoted
from tuning.whatif.tables import Column, Table

# The planner's guess where a comparison cannot be planned (DEFAULT_EQ_SEL and DEFAULT_INEQ_SEL in selfuncs.h are
# 0.005 and 0.33): in between, so that it neither makes nor breaks an index.
UNKNOWN_SELECTIVITY = 0.1
_TABLE = """
    SELECT c.oid, greatest(c.reltuples, 0)::float8, greatest(c.relpages, 1)::int,
           c.relallvisible::float8 / greatest(c.relpages, 1), coalesce(s.n_tup_upd, 0)::bigint,
           coalesce(s.n_tup_hot_upd, 0)::bigint, coalesce(r.oid::regclass::text, ''), c.relkind::text
      FROM pg_class AS c LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
      LEFT JOIN pg_class AS r ON c.relispartition AND r.oid = pg_partition_root(c.oid)
     WHERE c.oid = to_regclass(%s)"""
# ICU's order is not that of the bytes, also where LC_COLLATE is C; that of PostgreSQL's own provider (b, since 17) is.
_COLUMNS = """
    SELECT quote_ident(a.attname), format_type(a.atttypid, NULL), coalesce(abs(s.correlation), 0)::float8,
           coalesce(s.avg_width, 8)::int,
           a.attcollation = 0 OR coalesce(
               CASE WHEN l.collprovider = 'd' THEN d.datlocprovider = 'b'
                                                   OR d.datlocprovider = 'c' AND d.datcollate IN ('C', 'POSIX')
                    ELSE l.collprovider = 'b' OR l.collprovider = 'c' AND l.collcollate IN ('C', 'POSIX') END, false)
      FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_database AS d ON d.datname = current_database()
      LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
      LEFT JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
     WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped"""
_INDEXES = """
    SELECT c.relname::text, a.amname::text, coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) AS k ORDER BY k)
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
     WHERE i.indrelid = %s AND i.indisvalid"""
# Functions that are not immutable for any of their arguments' types may not stand in an index.
_UNSTABLE = """
    SELECT p.proname::text, format_type(p.proargtypes[0], NULL) FROM pg_proc AS p
     WHERE p.provolatile <> 'i' AND p.proname = ANY (%s)"""
_CASTS = """
    SELECT format_type(castsource, NULL), format_type(casttarget, NULL)
      FROM pg_cast AS c LEFT JOIN pg_proc AS p ON p.oid = c.castfunc
     WHERE c.castfunc = 0 OR p.provolatile = 'i'"""


class Facts:
    """Looks up tables once; its connection only plans."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._tables: dict[tuple[str, str], Table | None] = {}
        self.version = connection.info.server_version
        self.random_page_cost = float(self._one("SELECT current_setting('random_page_cost')::float8") or 4.0)
        self.trigram_schema = self._one(
            "SELECT n.nspname::text FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace"
            " WHERE e.extname = 'pg_trgm'"
        )
        self._casts = {(source, target) for source, target in connection.execute(_CASTS)}

    def table(self, schema: str, name: str) -> Table | None:
        if (schema, name) not in self._tables:
            self._tables[schema, name] = self._read(schema, name)
        return self._tables[schema, name]

    def selectivity(self, table: Table, texts: Iterable[str]) -> float:
        """The share of the rows (0 to 1) that the planner expects these conditions to leave."""
        asked = tuple(sorted(set(texts)))
        if not asked or not table.rows:
            return 1.0
        if asked not in table.selectivities:
            rows = self._planned_rows(table, asked)
            share = UNKNOWN_SELECTIVITY if rows is None else min(1.0, max(rows, 1.0) / table.rows)
            table.selectivities[asked] = share
        return table.selectivities[asked]

    def join_selectivity(self, table: Table, key: str) -> float:
        """The share of the rows that have one value of the key, on average."""
        column = f"(SELECT {key} FROM {table.sql} LIMIT 1)"
        return self.selectivity(table, [f"{key} = {column}"])

    def is_immutable(self, table: Table, key: str, columns: Sequence[str], called: Iterable[str]) -> bool:
        """Whether an index may hold the expression, as far as the catalog tells of its functions and casts."""
        types = {table.columns[column].type for column in columns if column in table.columns}
        unstable = self._connection.execute(_UNSTABLE, [sorted(called)]).fetchall()
        if any(argument in types for _, argument in unstable):
            return False
        for column in columns:
            known = table.columns.get(column)
            for form in (f"({column})::", f"{column}::"):
                if known is not None and key.startswith(form):
                    target = key.removeprefix(form)
                    return target == known.type or (known.type, target) in self._casts
        return True

    def _planned_rows(self, table: Table, texts: tuple[str, ...]) -> float | None:
        where = " AND ".join(f"({text})" for text in texts)
        options = "FORMAT JSON" + (", GENERIC_PLAN" if "$" in where and self.version >= 160000 else "")
        try:
            with (
                self._connection.transaction(force_rollback=True),
                self._connection.cursor(binary="GENERIC" not in options) as cursor,
            ):
                row = cursor.execute(f"EXPLAIN ({options}) SELECT FROM {table.sql} WHERE {where}".encode()).fetchone()
        except psycopg.Error:
            return None
        assert row is not None
        entries = row[0] if isinstance(row[0], list) else json.loads(row[0])
        return float(entries[0]["Plan"]["Plan Rows"])

    def _read(self, schema: str, name: str) -> Table | None:
        row = self._connection.execute(_TABLE, [f"{quoted(schema)}.{quoted(name)}"]).fetchone()
        if row is None or row[7] not in ("r", "m"):
            return None
        oid, rows, pages, visible, updates, hot, root, _ = row
        columns = {
            column: Column(type_name, correlation, width, sorts)
            for column, type_name, correlation, width, sorts in self._connection.execute(_COLUMNS, [oid])
        }
        indexes = tuple(
            (index, method, predicate, tuple(keys))
            for index, method, predicate, keys in self._connection.execute(_INDEXES, [oid])
        )
        return Table(schema, name, rows, pages, min(1.0, visible), updates, hot, root, columns, indexes)

    def _one(self, text: str) -> Any:
        row = self._connection.execute(text.encode()).fetchone()
        return row[0] if row else None
