"""The queries for tables, indexes, foreign keys and sequences. None counts rows or takes a lock that writers feel."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import psycopg

from tuning.observe.relations import ForeignKey, Index, Key, Sequence, Table

Connection = psycopg.Connection[dict[str, Any]]

_OWN = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
# Asking for a size waits for ACCESS EXCLUSIVE; what VACUUM and ANALYZE noted last does not.
_SIZES = {
    True: {
        "heap": "pg_relation_size(c.oid)",
        "indexes": "pg_indexes_size(c.oid)",
        "toast": "coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)",
    },
    False: {
        "heap": "c.relpages * current_setting('block_size')::bigint",
        "indexes": "coalesce((SELECT sum(x.relpages) FROM pg_class AS x JOIN pg_index AS i ON i.indexrelid = x.oid"
        " WHERE i.indrelid = c.oid), 0) * current_setting('block_size')::bigint",
        "toast": "coalesce((SELECT x.relpages FROM pg_class AS x WHERE x.oid = c.reltoastrelid), 0)"
        " * current_setting('block_size')::bigint",
    },
}

_TABLES = f"""
    SELECT c.oid::bigint AS oid, format('%I.%I', n.nspname, c.relname) AS name, c.relname::text AS bare_name,
           c.relkind::text AS kind,
           CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid::bigint ELSE 0 END AS root_oid,
           CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE coalesce(s.n_live_tup, 0) END::bigint AS rows,
           {{heap}}::bigint AS heap_bytes, {{indexes}}::bigint AS index_bytes, {{toast}}::bigint AS toast_bytes,
           coalesce(s.n_live_tup, 0)::bigint AS live_rows, coalesce(s.n_dead_tup, 0)::bigint AS dead_rows,
           coalesce(s.n_tup_ins, 0)::bigint AS inserts, coalesce(s.n_tup_upd, 0)::bigint AS updates,
           coalesce(s.n_tup_hot_upd, 0)::bigint AS hot_updates, coalesce(s.n_tup_del, 0)::bigint AS deletes,
           coalesce(s.seq_scan, 0)::bigint AS seq_scans, coalesce(s.idx_scan, 0)::bigint AS index_scans,
           coalesce(s.n_mod_since_analyze, 0)::bigint AS changed_since_analyze,
           coalesce(s.n_ins_since_vacuum, 0)::bigint AS inserted_since_vacuum,
           extract(epoch FROM clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum))::float8
               AS vacuumed_s_ago,
           extract(epoch FROM clock_timestamp() - greatest(s.last_analyze, s.last_autoanalyze))::float8
               AS analyzed_s_ago,
           (coalesce(io.heap_blks_read, 0) + coalesce(io.idx_blks_read, 0))::bigint AS blocks_read,
           (coalesce(io.heap_blks_hit, 0) + coalesce(io.idx_blks_hit, 0))::bigint AS blocks_hit,
           CASE WHEN c.relkind = 'p' THEN 0 ELSE greatest(age(c.relfrozenxid),
               coalesce((SELECT age(t.relfrozenxid) FROM pg_class AS t WHERE t.oid = c.reltoastrelid), 0)) END::bigint
               AS frozen_xid_age,
           CASE WHEN c.relkind = 'p' THEN 0 ELSE mxid_age(c.relminmxid) END::bigint AS frozen_mxid_age,
           EXISTS (SELECT FROM pg_stat_progress_vacuum AS v WHERE v.relid = c.oid) AS is_vacuumed_now,
           coalesce(c.reloptions, '{{{{}}}}') AS options
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
      LEFT JOIN pg_statio_all_tables AS io ON io.relid = c.oid
     WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND {_OWN}
     ORDER BY c.oid"""

# The columns that an index reads are those that it depends on; one behind a constraint depends on the constraint.
_INDEXES = f"""
    SELECT c.oid::bigint AS oid, format('%I.%I', n.nspname, c.relname) AS name, c.relname::text AS bare_name,
           i.indrelid::bigint AS table_oid, m.amname::text AS method, c.relkind::text AS kind,
           pg_get_indexdef(c.oid) AS definition, coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
           i.indisunique AS is_unique, i.indisprimary AS is_primary, i.indisexclusion AS is_exclusion,
           NOT i.indnullsnotdistinct AS has_distinct_nulls, i.indimmediate AS is_immediate,
           i.indisvalid AS is_valid, i.indisready AS is_ready,
           i.indisreplident OR EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conindid = c.oid)
               AS is_needed,
           EXISTS (SELECT FROM pg_stat_progress_create_index AS b
                    WHERE b.index_relid = c.oid OR b.relid IS NULL) AS is_built_now,
           coalesce((SELECT k.conname::text FROM pg_constraint AS k
                      WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x') LIMIT 1), '') AS constraint,
           coalesce((SELECT h.inhparent::bigint FROM pg_inherits AS h WHERE h.inhrelid = c.oid LIMIT 1), 0)
               AS parent_oid,
           {{size}}::bigint AS size_bytes, greatest(c.reltuples, 0)::bigint AS rows,
           coalesce(s.idx_scan, 0)::bigint AS scans, {{last_scan}} AS last_scan_s_ago,
           (SELECT jsonb_agg(jsonb_build_object('text', pg_get_indexdef(c.oid, k, true),
                       'column', coalesce(a.attname, ''), 'opclass', i.indclass[k - 1]::bigint,
                       'collation', i.indcollation[k - 1]::bigint, 'options', i.indoption[k - 1],
                       'parameters', coalesce(o.attoptions::text, '')) ORDER BY k)
              FROM generate_series(1, i.indnkeyatts) AS k
              LEFT JOIN pg_attribute AS a
                     ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND i.indkey[k - 1] > 0
              LEFT JOIN pg_attribute AS o ON o.attrelid = c.oid AND o.attnum = k) AS keys,
           ARRAY(SELECT a.attname::text FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS k
                   JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1]
                  ORDER BY a.attname) AS include,
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                  WHERE a.attrelid = i.indrelid AND a.attnum > 0 AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (
                        SELECT FROM pg_depend AS d
                         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                           AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
                           AND d.refobjsubid = a.attnum))) AS columns
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
      JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = c.oid
     WHERE t.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND {_OWN}
     ORDER BY c.oid"""
_SIZE = {True: "pg_relation_size(c.oid)", False: "c.relpages * current_setting('block_size')::bigint"}
# last_idx_scan came with PostgreSQL 16.
_LAST_SCAN = "extract(epoch FROM clock_timestamp() - s.last_idx_scan)::float8"
_LAST_SCAN_SINCE = 160000

_FOREIGN_KEYS = f"""
    SELECT f.conname::text AS name, f.conrelid::bigint AS table_oid, f.confrelid::bigint AS parent_oid,
           f.confdeltype::text AS action, f.confupdtype::text AS update_action,
           ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS u (n, o)
                   JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = u.n ORDER BY o) AS columns,
           ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS u (n, o)
                   JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = u.n ORDER BY o) AS parent_columns
      FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE f.contype = 'f' AND f.conparentid = 0 AND {_OWN}
     ORDER BY f.oid"""

# The view gives no number of a sequence that the role may not read.
_SEQUENCES = f"""
    SELECT format('%I.%I', n.nspname, c.relname) AS name, v.last_value, s.seqmax AS max_value, s.seqmin AS min_value,
           s.seqincrement AS increment, s.seqcycle AS cycles,
           has_sequence_privilege(c.oid, 'SELECT, USAGE') AS is_readable,
           coalesce(d.refobjid::regclass::text || '.' || quote_ident(a.attname), '') AS column,
           coalesce(format_type(a.atttypid, NULL), format_type(s.seqtypid, NULL)) AS column_type
      FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_sequences AS v ON v.schemaname = n.nspname AND v.sequencename = c.relname
      LEFT JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
           AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
      LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE c.relpersistence <> 't' AND {_OWN}
     ORDER BY c.oid"""

_SUMMED = tuple(
    field.name
    for field in fields(Table)
    if field.type in ("int", int) and field.name not in ("oid", "root_oid", "frozen_xid_age", "frozen_mxid_age")
)


def tables(connection: Connection, *, is_sized: bool) -> tuple[Table, ...]:
    """Every table of its own schemas; ``is_sized`` measures sizes, else they are what VACUUM noted."""
    found = []
    for row in connection.execute(_TABLES.format(**_SIZES[is_sized])):
        options = dict(option.partition("=")[::2] for option in row.pop("options"))
        found.append(Table(**row, options=options))
    return tuple(_summed(found))


def _summed(tables: list[Table]) -> Iterator[Table]:
    """Give a partitioned table the sums of its leaves."""
    for table in tables:
        leaves = [each for each in tables if each.root_oid == table.oid and each.kind != "p"]
        if table.kind != "p" or not leaves:
            yield table
            continue
        yield replace(table, **{name: sum(getattr(leaf, name) for leaf in leaves) for name in _SUMMED})


def indexes(connection: Connection, *, is_sized: bool) -> tuple[Index, ...]:
    """Every index of those tables."""
    has_last_scan = connection.info.server_version >= _LAST_SCAN_SINCE
    query = _INDEXES.format(size=_SIZE[is_sized], last_scan=_LAST_SCAN if has_last_scan else "NULL::float8")
    found = []
    for row in connection.execute(query):
        row["keys"] = tuple(Key(**key) for key in row["keys"] or ())
        row["include"] = tuple(row["include"])
        row["columns"] = frozenset(row["columns"])
        found.append(Index(**row))
    return tuple(found)


def foreign_keys(connection: Connection) -> tuple[ForeignKey, ...]:
    return tuple(
        ForeignKey(**row | {name: tuple(row[name]) for name in ("columns", "parent_columns")})
        for row in connection.execute(_FOREIGN_KEYS)
    )


def sequences(connection: Connection) -> tuple[Sequence, ...]:
    return tuple(Sequence(**row) for row in connection.execute(_SEQUENCES))
