"""One server at one moment, as its catalog and statistics describe it: data alone, so that who judges is pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tuning.observe.activity import Backend, Replication
from tuning.observe.relations import ForeignKey, Index, Sequence, Table

Item = TypeVar("Item")
DAY_S = 86_400.0
PARTS = (
    "database",
    "settings",
    "tables",
    "indexes",
    "foreign_keys",
    "sequences",
    "sessions",
    "replication",
    "statements",
    "predicates",
    "density",
    "widths",
)


@dataclass(frozen=True, slots=True)
class Database:
    """Counters of one database since ``statistics_age_s``; ``connections`` are those of the whole server."""

    name: str
    size_bytes: int
    statistics_age_s: float
    is_reset_known: bool
    """Whether the age is since a reset; else it is since the start, and may be longer."""
    connections: int
    frozen_xid_age: int
    frozen_mxid_age: int
    frozen_database: str
    """The database of the server whose transaction ids are oldest."""
    temp_files: int = 0
    temp_bytes: int = 0
    session_ms: float = 0.0
    active_ms: float = 0.0
    sessions: int = 0
    sessions_abandoned: int = 0


@dataclass(frozen=True, slots=True)
class StatementStats:
    """One entry of pg_stat_statements; ``query`` has $1 for its values."""

    query: str
    calls: int
    total_ms: float
    rows: int = 0

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison of pg_qualstats: of ``rows`` that were compared ``filtered`` were thrown away, over ``calls``."""

    table_oid: int
    column: str
    operator: str
    calls: int
    rows: int
    filtered: int


@dataclass(frozen=True, slots=True)
class ReplicaUse:
    """What one replica counted, by the oids of the primary."""

    statistics_age_s: float
    index_scans: Mapping[int, int]
    index_last_scan_s_ago: Mapping[int, float | None]
    table_scans: Mapping[int, tuple[int, int]]
    """Sequential scans and index scans."""


@dataclass(frozen=True, slots=True)
class Hardware:
    memory_bytes: int
    cores: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``unreadable`` has the reason for each of ``PARTS`` that could not be read, which then is empty.

    ``settings`` are numbers in bytes and milliseconds where the setting has a unit of memory or time, and texts.
    ``hardware`` is the server's, None where nobody told.
    """

    version: int
    is_replica: bool = False
    database: Database | None = None
    settings: Mapping[str, str | float] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    sessions: tuple[Backend, ...] = ()
    replication: Replication = field(default_factory=Replication)
    statements: tuple[StatementStats, ...] = ()
    predicates: tuple[Predicate, ...] = ()
    hardware: Hardware | None = None
    replicas_read: tuple[ReplicaUse, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    # Each index asks for its table and its neighbours: without these, thousands of them take minutes.
    _tables: Mapping[int, Table] = field(init=False, repr=False, compare=False)
    _indexes: Mapping[int, tuple[Index, ...]] = field(init=False, repr=False, compare=False)
    _keys: Mapping[int, tuple[ForeignKey, ...]] = field(init=False, repr=False, compare=False)
    _partitions: Mapping[int, tuple[Table, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tables", {table.oid: table for table in self.tables})
        object.__setattr__(self, "_indexes", _grouped((index.table_oid, index) for index in self.indexes))
        object.__setattr__(self, "_keys", _grouped((key.table_oid, key) for key in self.foreign_keys))
        object.__setattr__(self, "_partitions", _grouped((table.root_oid, table) for table in self.tables))

    @property
    def major(self) -> int:
        return self.version // 10000

    def number(self, setting: str, otherwise: float = 0.0) -> float:
        value = self.settings.get(setting, otherwise)
        return value if isinstance(value, float) else otherwise

    def table(self, oid: int) -> Table | None:
        return self._tables.get(oid)

    def indexes_of(self, table_oid: int) -> tuple[Index, ...]:
        return self._indexes.get(table_oid, ())

    def keys_of(self, table_oid: int) -> tuple[ForeignKey, ...]:
        return self._keys.get(table_oid, ())

    def family(self, index: Index) -> tuple[Index, ...]:
        """The index, and its parts where it belongs to a partitioned table."""
        if index.kind != "I":
            return (index,)
        found, level = [index], {index.oid}
        while level:
            below = [each for each in self.indexes if each.parent_oid in level]
            found += below
            level = {each.oid for each in below}
        return tuple(found)

    def scans(self, index: Index) -> int:
        """How often it was used, on this server and on the replicas that were read."""
        return sum(
            each.scans + sum(replica.index_scans.get(each.oid, 0) for replica in self.replicas_read)
            for each in self.family(index)
        )

    def last_scan_s_ago(self, index: Index) -> float | None:
        """When it was last used on any server that was read; None where that is not known."""
        ages = [each.last_scan_s_ago for each in self.family(index)]
        ages += [
            replica.index_last_scan_s_ago.get(each.oid) for each in self.family(index) for replica in self.replicas_read
        ]
        return min((age for age in ages if age is not None), default=None)

    def size_bytes(self, index: Index) -> int:
        return sum(each.size_bytes for each in self.family(index))

    def table_scans(self, table: Table) -> tuple[int, int]:
        """Sequential scans and index scans, on this server and on the replicas that were read."""
        oids = [each.oid for each in (table, *self._partitions.get(table.oid, ())) if each.kind != "p"]
        both = [replica.table_scans.get(oid, (0, 0)) for replica in self.replicas_read for oid in oids]
        return table.seq_scans + sum(seq for seq, _ in both), table.index_scans + sum(index for _, index in both)


def _grouped(pairs: Iterable[tuple[int, Item]]) -> dict[int, tuple[Item, ...]]:
    found: dict[int, list[Item]] = {}
    for key, item in pairs:
        found.setdefault(key, []).append(item)
    return {key: tuple(items) for key, items in found.items()}
