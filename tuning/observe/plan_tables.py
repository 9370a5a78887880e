"""Read what a server's statistics say of the tables of a plan."""

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tuning.observe.statistics import TableStatistics

_TABLES = """
    SELECT a.name, c.oid::regclass::text AS table_name,
           greatest(coalesce(s.n_live_tup, 0), coalesce(c.reltuples, 0))::bigint AS live_rows,
           coalesce(s.n_mod_since_analyze, 0)::bigint AS changed_rows,
           extract(epoch FROM clock_timestamp() - greatest(s.last_analyze, s.last_autoanalyze))::float8
               AS analyzed_s_ago,
           c.reltuples >= 0 AS has_statistics,
           ARRAY(SELECT t.attname::text FROM pg_index AS i
                   JOIN pg_attribute AS t ON t.attrelid = i.indrelid AND t.attnum = i.indkey[0]
                  WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL) AS leading_columns,
           coalesce(r.oid::regclass::text, '') AS partition_root,
           ARRAY(SELECT t.attname::text FROM pg_partitioned_table AS p
                   JOIN pg_attribute AS t ON t.attrelid = p.partrelid AND t.attnum = ANY (p.partattrs::int2[])
                  WHERE p.partrelid = r.oid) AS partition_key,
           CASE WHEN r.oid IS NULL THEN 0
                ELSE (SELECT count(*) FROM pg_partition_tree(r.oid) AS l WHERE l.isleaf) END::int AS partitions
      FROM unnest(%s::text[]) AS a (name)
      JOIN pg_class AS c ON c.oid = to_regclass(a.name)
      LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
      LEFT JOIN pg_class AS r ON c.relispartition AND r.oid = pg_partition_root(c.oid)"""


def read(connection: psycopg.Connection[Any], names: Iterable[str]) -> dict[str, TableStatistics]:
    """Read the statistics of tables by the names that a plan has, ``schema.table``; those that are gone are left out.

    Raises:
        psycopg.Error: The catalog cannot be read.
    """
    asked = {quoted(name): name for name in names}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_TABLES, [list(asked)]).fetchall()
    return {
        asked[row["name"]]: TableStatistics(
            table=row["table_name"],
            live_rows=row["live_rows"],
            changed_rows=row["changed_rows"],
            # Where the counters were lost in a crash, reltuples still tells that it was analyzed.
            analyzed_s_ago=row["analyzed_s_ago"]
            if row["analyzed_s_ago"] is not None or not row["has_statistics"]
            else 0.0,
            leading_columns=frozenset(row["leading_columns"]),
            partition_root=row["partition_root"],
            partition_key=tuple(row["partition_key"]),
            partitions=row["partitions"],
        )
        for row in rows
    }


def quoted(name: str) -> str:
    """The name of a plan as SQL writes it."""
    schema, dot, table = name.rpartition(".")
    parts = ([schema] if dot else []) + [table]
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)
