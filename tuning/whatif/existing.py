"""The indexes that a target has, with what speaks against dropping each by the catalog; read, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

_INDEXES = """
    SELECT i.indexrelid AS oid, n.nspname::text AS schema, c.relname::text AS name,
           tn.nspname::text AS table_schema, t.relname::text AS table_name,
           pg_relation_size(i.indexrelid) AS bytes, pg_get_indexdef(i.indexrelid) AS definition,
           a.amname::text AS method,
           i.indisprimary, i.indisunique, i.indisexclusion, i.indisreplident, i.indisvalid,
           c.relispartition OR c.relkind = 'I' AS is_partitioned,
           (SELECT con.conname::text FROM pg_constraint AS con
             WHERE con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x') LIMIT 1) AS constraint_name,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) || ' ' || (i.indclass::oid[])[k - 1] || ' '
                        || (i.indcollation::oid[])[k - 1] || ' ' || (i.indoption::int2[])[k - 1]
                   FROM generate_series(1, i.indnkeyatts) AS k ORDER BY k) AS parts,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true)
                   FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS k ORDER BY 1) AS included,
           coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
           coalesce(s.idx_scan, 0) AS scans,
           coalesce((SELECT min(format('%s of %s, whose parent %s', con.conname, con.conrelid::regclass,
                                       con.confrelid::regclass))
              FROM pg_constraint AS con
             WHERE con.contype = 'f' AND con.conrelid = i.indrelid AND i.indpred IS NULL AND a.amname = 'btree'
               AND cardinality(con.conkey) <= i.indnkeyatts
               AND (i.indkey::int2[])[0:cardinality(con.conkey) - 1] @> con.conkey), '') AS foreign_key
      FROM pg_index AS i
      JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
      JOIN pg_am AS a ON a.oid = c.relam
      LEFT JOIN pg_stat_user_indexes AS s ON s.indexrelid = i.indexrelid
     WHERE tn.nspname NOT IN ('pg_catalog', 'information_schema') AND tn.nspname !~ '^pg_(toast|temp)'
     ORDER BY pg_relation_size(i.indexrelid) DESC, i.indexrelid DESC"""
_COUNTED = """
    SELECT extract(epoch FROM clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))::float8,
           (SELECT count(*) FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup')
      FROM pg_stat_database WHERE datname = current_database()"""


@dataclass(frozen=True, slots=True)
class Existing:
    """``scans`` are those of the target and of the replicas that were asked; ``parts`` hold opclass and order too.

    ``foreign_key`` names the foreign key whose columns lead the index: deletes of its parent search by them.
    """

    schema: str
    name: str
    table_schema: str
    table: str
    bytes: int
    definition: str
    method: str
    parts: tuple[str, ...]
    included: tuple[str, ...]
    predicate: str
    scans: int
    held_by: str
    foreign_key: str
    is_unique: bool

    @property
    def shown(self) -> str:
        return f"{self.schema}.{self.name}"

    def is_twin_of(self, other: "Existing") -> bool:
        """Whether the other is the same index under another name."""
        return self._kind == other._kind and (self.parts, self.included) == (other.parts, other.included)

    def is_prefix_of(self, other: "Existing") -> bool:
        """Whether the other begins with the same columns and goes on."""
        mine, theirs = len(self.parts), len(other.parts)
        is_led = mine < theirs and self.parts == other.parts[:mine]
        return self.method == "btree" and self._kind == other._kind and is_led and not self.included

    @property
    def _kind(self) -> tuple[str, str, str, str]:
        return self.table_schema, self.table, self.method, self.predicate


@dataclass(frozen=True, slots=True)
class Counted:
    """Since when the server counts, and how many replicas it feeds."""

    statistics_age_s: float
    replicas: int


def read(connection: psycopg.Connection, replicas: Sequence[str]) -> tuple[list[Existing], Counted]:
    """Every index of the database's own tables, the largest first.

    Raises:
        psycopg.Error: The catalog, or a replica's, cannot be read.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_INDEXES).fetchall()
    counted = connection.execute(_COUNTED).fetchone()
    assert counted is not None
    scans = {row["oid"]: row["scans"] for row in rows}
    for dsn in replicas:
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None, application_name="hotrow index") as replica:
            for oid, count in replica.execute("SELECT indexrelid, coalesce(idx_scan, 0) FROM pg_stat_user_indexes"):
                scans[oid] = scans.get(oid, 0) + count
    return [_existing(row, scans[row["oid"]]) for row in rows], Counted(*counted)


def _existing(row: dict[str, object], scans: int) -> Existing:
    held = [
        (row["indisprimary"], "it is the primary key"),
        (row["indisexclusion"], "it enforces an exclusion constraint"),
        (row["constraint_name"], f"it enforces the constraint {row['constraint_name']}"),
        (row["indisunique"], "it is unique: it forbids rows, which no plan shows"),
        (row["indisreplident"], "it is the table's replica identity: logical replication finds rows by it"),
        (row["is_partitioned"], "it belongs to an index of a partitioned table: look at that one"),
        (not row["indisvalid"], "it is invalid: no plan can use it, and a build of it may be running"),
    ]
    return Existing(
        schema=str(row["schema"]),
        name=str(row["name"]),
        table_schema=str(row["table_schema"]),
        table=str(row["table_name"]),
        bytes=int(row["bytes"]),  # type: ignore[call-overload]
        definition=str(row["definition"]),
        method=str(row["method"]),
        parts=tuple(row["parts"]),  # type: ignore[arg-type]
        included=tuple(row["included"]),  # type: ignore[arg-type]
        predicate=str(row["predicate"]),
        scans=scans,
        held_by=next((why for is_so, why in held if is_so), ""),
        foreign_key=str(row["foreign_key"]),
        is_unique=bool(row["indisunique"]),
    )
