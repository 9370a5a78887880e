"""Tables, indexes, foreign keys and sequences as a server's catalog and statistics describe them: data alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """``name`` is qualified and quoted; ``rows`` the server's estimate. Counters are since the statistics were reset.

    A partitioned table has its leaves' sums and the kind ``p``; a leaf names it in ``root_oid``, which else is 0.
    Ages are None where it never happened.
    """

    oid: int
    name: str
    bare_name: str
    kind: str = "r"
    root_oid: int = 0
    rows: int = 0
    heap_bytes: int = 0
    index_bytes: int = 0
    toast_bytes: int = 0
    live_rows: int = 0
    dead_rows: int = 0
    inserts: int = 0
    updates: int = 0
    hot_updates: int = 0
    deletes: int = 0
    seq_scans: int = 0
    index_scans: int = 0
    changed_since_analyze: int = 0
    inserted_since_vacuum: int = 0
    vacuumed_s_ago: float | None = None
    analyzed_s_ago: float | None = None
    blocks_read: int = 0
    blocks_hit: int = 0
    """Blocks of heap and indexes."""
    frozen_xid_age: int = 0
    frozen_mxid_age: int = 0
    is_vacuumed_now: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def writes(self) -> int:
        return self.inserts + self.updates + self.deletes

    @property
    def total_bytes(self) -> int:
        return self.heap_bytes + self.index_bytes + self.toast_bytes


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an index: what two keys must share to sort and compare alike.

    ``column`` is empty for an expression; ``options`` are the bits of indoption, descending and nulls first.
    """

    text: str
    column: str
    opclass: int
    collation: int
    options: int = 0
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """``columns`` are all that it reads, those of INCLUDE, predicate and expressions too.

    ``is_needed`` where a foreign key refers to it, or it identifies rows for replication. ``parent_oid`` is the index
    of the partitioned table that it is a part of. ``leaf_density`` (0 to 1) was measured by pgstattuple, and
    ``expected_bytes`` is estimated from the widths of its columns; None where that was not possible.
    """

    oid: int
    name: str
    bare_name: str
    table_oid: int
    method: str
    keys: tuple[Key, ...]
    definition: str
    kind: str = "i"
    include: tuple[str, ...] = ()
    predicate: str = ""
    columns: frozenset[str] = frozenset()
    is_unique: bool = False
    is_primary: bool = False
    is_exclusion: bool = False
    is_valid: bool = True
    is_ready: bool = True
    has_distinct_nulls: bool = True
    is_immediate: bool = True
    is_needed: bool = False
    is_built_now: bool = False
    constraint: str = ""
    parent_oid: int = 0
    size_bytes: int = 0
    rows: int = 0
    scans: int = 0
    last_scan_s_ago: float | None = None
    expected_bytes: int | None = None
    leaf_density: float | None = None

    @property
    def enforces(self) -> bool:
        """Whether rows are refused for it: no figure of its use makes it droppable."""
        return self.is_unique or self.is_primary or self.is_exclusion or bool(self.constraint)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``action`` and ``update_action`` are pg_constraint's letters: a no action, r restrict, c cascade, n, d."""

    name: str
    table_oid: int
    columns: tuple[str, ...]
    parent_oid: int
    parent_columns: tuple[str, ...]
    action: str = "a"
    update_action: str = "a"


@dataclass(frozen=True, slots=True)
class Sequence:
    """``last_value`` is None where nothing was taken yet, and where ``is_readable`` is False."""

    name: str
    column: str
    column_type: str
    last_value: int | None
    max_value: int
    min_value: int = 1
    increment: int = 1
    cycles: bool = False
    is_readable: bool = True
