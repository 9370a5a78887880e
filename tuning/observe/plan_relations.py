"""Read sizes, statistics and indexes of the tables that plans read."""

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tuning.observe.plan_tables import quoted
from tuning.observe.relation_facts import Index, Relation

_RELATIONS = """
    SELECT a.name, c.reltuples::bigint AS rows,
           -- NULL where it is dropped at this moment.
           coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int AS pages,
           coalesce(s.n_mod_since_analyze, 0)::bigint AS changed_rows,
           coalesce(to_char(greatest(s.last_analyze, s.last_autoanalyze) AT TIME ZONE 'UTC',
                            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') AS analyzed_at,
           (SELECT coalesce(jsonb_object_agg(ic.relname,
                                             jsonb_build_array(pg_get_indexdef(ic.oid), i.indisvalid)), '{}')
              FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid
             WHERE i.indrelid = c.oid) AS indexes
      FROM unnest(%s::text[]) AS a (name)
      JOIN pg_class AS c ON c.oid = to_regclass(a.name)
      LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid"""


def read(connection: psycopg.Connection[Any], names: Iterable[str]) -> dict[str, Relation]:
    """Read tables by the names that a plan has, ``schema.table``; those that are gone are left out.

    Raises:
        psycopg.Error: The catalog cannot be read.
    """
    asked = {quoted(name): name for name in names}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_RELATIONS, [list(asked)]).fetchall()
    return {
        asked[row["name"]]: Relation(
            rows=row["rows"],
            pages=row["pages"],
            changed_rows=row["changed_rows"],
            analyzed_at=row["analyzed_at"],
            indexes={name: Index(*parts) for name, parts in sorted(row["indexes"].items())},
        )
        for row in rows
    }
