"""What a write to a table costs with the indexes that it has: rows of its own are put into it again, and changed.

Everything happens in a transaction of the copy that is rolled back.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tuning.explain import json_format

# Enough that one page split does not show, few enough that a look takes less than a second.
SAMPLE_ROWS = 2000
# So many different values are given to a column that UPDATEs set.
_POOL = 50
# Pages half full: a HOT update needs room on the page, and a copy that was just filled has none.
_FILLFACTOR = 50
_COLUMNS = """
    SELECT a.attname::text,
           EXISTS (SELECT FROM pg_catalog.pg_index AS i
                    WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey::int2[])) AS is_unique
      FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
     ORDER BY a.attnum"""
_SAMPLE = """
    CREATE TEMPORARY TABLE hotrow_sample ON COMMIT DROP AS
    SELECT tableoid AS hotrow_table, ctid AS hotrow_place, {}
      FROM {} TABLESAMPLE BERNOULLI ({}) REPEATABLE (1) LIMIT {}"""
_HOT = """
    SELECT pg_stat_get_xact_tuples_updated(r), pg_stat_get_xact_tuples_hot_updated(r)
      FROM (SELECT to_regclass(%s)::oid) AS t (r)"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one row costs on the average: blocks touched, bytes of WAL, milliseconds."""

    blocks: float
    wal_bytes: float
    ms: float


@dataclass(frozen=True, slots=True)
class Writes:
    """``update`` and ``hot_ratio`` (0-1) are None where no column could be changed; ``why_not`` says why."""

    rows: int
    insert: Cost | None
    update: Cost | None = None
    hot_ratio: float | None = None
    updated: tuple[str, ...] = ()
    why_not: str = ""


def measure(connection: psycopg.Connection, table: str, changed: Sequence[str]) -> Writes:
    """Put a sample of a table's rows into it again, then change columns of theirs on pages with room.

    Args:
        table: As SQL writes it.
        changed: The columns that UPDATEs set; those of unique indexes are left out.

    Raises:
        psycopg.Error: The copy refuses.
    """
    with connection.transaction(force_rollback=True):
        rows = connection.execute(_COLUMNS, [table]).fetchall()
        columns = [sql.Identifier(name) for name, _ in rows]
        unique = {name for name, is_unique in rows if is_unique}
        wanted = [name for name, _ in rows if name in changed and name not in unique]
        return _measured(connection, sql.SQL(table), columns, wanted, changed)


def _measured(
    connection: psycopg.Connection,
    table: sql.SQL,
    columns: Sequence[sql.Identifier],
    wanted: Sequence[str],
    changed: Sequence[str],
) -> Writes:
    names = sql.SQL(", ").join(columns)
    (total,) = _row(connection, sql.SQL("SELECT count(*) FROM {}").format(table))
    if not total:
        return Writes(0, None, why_not="the table is empty")
    share = min(100.0, 200.0 * SAMPLE_ROWS / total)
    connection.execute(sql.SQL(_SAMPLE).format(names, table, sql.Literal(share), sql.Literal(SAMPLE_ROWS)))
    (taken,) = _row(connection, "SELECT count(*) FROM hotrow_sample")
    if not taken:
        return Writes(0, None, why_not="no row was drawn")
    connection.execute(
        sql.SQL("DELETE FROM {} AS t USING hotrow_sample AS s"
            " WHERE t.ctid = s.hotrow_place AND t.tableoid = s.hotrow_table")
        .format(table)
    )  # fmt: skip
    put = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM hotrow_sample")
    insert = _cost(connection, put.format(table, names, names), taken)
    if not wanted:
        why = "no UPDATE of the workload sets a column of it" if not changed else "the columns set are unique ones"
        return Writes(taken, insert, why_not=why)
    side = sql.Identifier("hotrow_side")
    connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL) WITH (fillfactor = {})").format(
            side, table, sql.Literal(_FILLFACTOR)
        )
    )
    connection.execute(put.format(side, names, names))
    try:
        with connection.transaction():
            update = _cost(connection, _update(side, wanted), taken)
            updated, hot = _row(connection, _HOT, ["hotrow_side"])
    except psycopg.errors.IntegrityError as error:
        return Writes(taken, insert, why_not=f"its rows cannot be changed at will: {str(error).splitlines()[0]}")
    return Writes(taken, insert, update, hot / updated if updated else None, tuple(wanted))


def _update(side: sql.Identifier, wanted: Sequence[str]) -> sql.Composed:
    """Give each row another value of the same column, so that what is indexed truly changes."""
    pools, values = [], []
    for number, name in enumerate(wanted):
        parts = {"column": sql.Identifier(name), "pool": sql.Identifier(f"pool_{number}"), "most": sql.Literal(_POOL)}
        pools.append(
            sql.SQL(
                "{pool} AS MATERIALIZED (SELECT v, row_number() OVER () - 1 AS k, count(*) OVER () AS n FROM"
                " (SELECT DISTINCT ON ({column}::text) {column} AS v FROM hotrow_sample WHERE {column} IS NOT NULL"
                "   ORDER BY {column}::text LIMIT {most}) AS p)"
            ).format(**parts)
        )
        values.append(
            sql.SQL(
                "{column} = coalesce((SELECT p.v FROM {pool} AS p WHERE p.k IN (o.r %% p.n, (o.r + 1) %% p.n)"
                " AND p.v::text IS DISTINCT FROM w.{column}::text ORDER BY p.k = o.r %% p.n DESC LIMIT 1), w.{column})"
            ).format(**parts)
        )
    return sql.SQL(
        "WITH {pools} UPDATE {side} AS w SET {values}"
        " FROM (SELECT ctid AS place, row_number() OVER () AS r FROM {side}) AS o WHERE w.ctid = o.place"
    ).format(pools=sql.SQL(", ").join(pools), side=side, values=sql.SQL(", ").join(values))


def _cost(connection: psycopg.Connection, statement: sql.Composed, rows: int) -> Cost:
    text = statement.as_string(connection).replace("%%", "%")
    row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None
    entries = row[0] if isinstance(row[0], list) else json.loads(row[0])
    plan = json_format.plan(entries[0])
    root = plan.root
    return Cost(root.blocks.touched / rows, root.number("WAL Bytes") / rows, plan.total_ms / rows)


def _row(connection: psycopg.Connection, query: Any, values: Sequence[Any] | None = None) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row
