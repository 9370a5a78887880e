"""Which indexes could go at all, which serve a foreign key, and which are the same: by definition, not by name."""

from collections.abc import Iterable

from tuning.observe.relations import ForeignKey, Index
from tuning.observe.snapshot import Snapshot


def droppable(snapshot: Snapshot, index: Index) -> bool:
    """Whether dropping it refuses no row less, and leaves every foreign key as fast as it is.

    A part of a partitioned index goes with the whole, so it is none by itself.
    """
    if index.enforces or index.is_needed or not index.is_valid or index.parent_oid:
        return False
    return not any(
        not any(serves(other, key) for other in snapshot.indexes_of(index.table_oid) if other.oid != index.oid)
        for key in served(snapshot, index)
    )


def served(snapshot: Snapshot, index: Index) -> tuple[ForeignKey, ...]:
    """Foreign keys whose rows it finds when a row of the parent goes."""
    table = snapshot.table(index.table_oid)
    # The key of a partitioned table is each partition's as well.
    tables = (index.table_oid, table.root_oid) if table is not None else (index.table_oid,)
    return tuple(key for oid in tables for key in snapshot.keys_of(oid) if serves(index, key))


def serves(index: Index, key: ForeignKey) -> bool:
    """Whether it finds the rows of a foreign key: its columns lead, in any order, and no row is left out."""
    leading = [each.column for each in index.keys[: len(key.columns)]]
    if not (index.is_valid and index.method in ("btree", "hash") and sorted(leading) == sorted(key.columns)):
        return False
    # A lookup by a column leaves its NULLs out as well.
    return index.predicate in ("", *(f"({column} IS NOT NULL)" for column in key.columns))


def same(one: Index, other: Index) -> bool:
    """Whether both find, sort and hold alike; constraints are not compared."""
    return one.keys == other.keys and one.include == other.include and _alike(one, other)


def is_prefix(short: Index, long: Index) -> bool:
    """Whether whatever the short one finds or sorts, the long one does as well."""
    columns = {key.column for key in long.keys} | set(long.include)
    return (
        short.method == "btree"
        and _alike(short, long)
        and len(short.keys) < len(long.keys)
        and short.keys == long.keys[: len(short.keys)]
        and set(short.include) <= columns
    )


def drop(index: Index) -> tuple[str, ...]:
    """The statements that drop it while others write; the index of a partitioned table has no such form."""
    if index.kind == "I":
        return ("SET lock_timeout = '2s'", f"DROP INDEX {index.name}")
    return (f"DROP INDEX CONCURRENTLY {index.name}",)


def names(indexes: Iterable[Index]) -> str:
    return ", ".join(index.name for index in indexes)


def _alike(one: Index, other: Index) -> bool:
    return (
        one.table_oid == other.table_oid
        and one.method == other.method
        and one.predicate == other.predicate
        and one.is_valid
        and other.is_valid
        and bool(one.parent_oid) == bool(other.parent_oid)
    )
