"""Two indexes are the same.

When: two valid indexes of a table have the same keys with the same operator classes, collations and sort orders, the
    same INCLUDE, predicate and access method. Constraints and what a foreign key refers to stay; the other goes.
Why: every write pays twice, and no query gains.
Remedy: drop the one that is named, concurrently, and take it out of the model's Meta.indexes; db_index on a
    ForeignKey or a unique field makes a second one easily.
"""

from collections.abc import Iterator

from tuning.advisors.candidates import drop, same
from tuning.advisors.findings import Found
from tuning.advisors.quantities import quoted, size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe.relations import Index

NEEDS = ("indexes", "tables")
WEIGHT = 2


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    told: set[int] = set()
    for index in snapshot.indexes:
        if index.oid in told or not index.is_valid or index.parent_oid:
            continue
        twins = [
            index,
            *(other for other in snapshot.indexes_of(index.table_oid) if other.oid > index.oid and same(index, other)),
        ]
        told |= {twin.oid for twin in twins}
        # What stays: what enforces most, then the oldest.
        kept, *others = sorted(twins, key=lambda twin: (*(not each for each in _ranks(twin)), twin.oid))
        for other in others:
            if other.is_needed or not _refuses(kept, other):
                continue
            name = quoted(other.constraint)
            table = snapshot.table(other.table_oid)
            sql = drop(other)
            if other.constraint and table is not None:
                sql = (f"ALTER TABLE {table.name} DROP CONSTRAINT {name}",)
            size_bytes = snapshot.size_bytes(other)
            message = f"{other.name} is the same as {kept.name}: {size(size_bytes)}"
            yield Found(Outcome.FAIL, message, other.name, sql, size_bytes)


def _refuses(kept: Index, other: Index) -> bool:
    """Whether each row that the other index refuses, and as soon, the kept one refuses too."""
    if other.is_exclusion:
        return False
    if not other.is_unique:
        return True
    return (
        kept.is_unique
        and kept.is_immediate >= other.is_immediate
        and (kept.is_primary or kept.has_distinct_nulls <= other.has_distinct_nulls)
    )


def _ranks(index: Index) -> tuple[bool, ...]:
    return index.is_needed, index.is_primary, index.is_exclusion, bool(index.constraint), index.is_unique
