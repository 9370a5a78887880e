"""An index is the beginning of another.

When: a b-tree's keys are the first keys of another b-tree of the table, with the same operator classes, collations,
    sort orders and predicate; fails over 100 MB. Unique indexes, constraints and what replication needs are not meant;
    a foreign key is served by the longer one as well.
Why: the longer one finds and sorts the same, and every write pays for both.
Remedy: prove it before it goes: hide the short one over the captured workload, since the longer is wider and takes
    more memory. Then DROP INDEX CONCURRENTLY. PostgreSQL 18 can skip a leading column of few values, so there a
    short one on a later column may be needless as well; that depends on the values, and is not claimed.
"""

from collections.abc import Iterator

from tuning.advisors.candidates import drop, is_prefix
from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("indexes",)
WEIGHT = 1

# pgdoctor.
LARGE_BYTES = 100 * 1024 * 1024


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    for index in snapshot.indexes:
        if index.enforces or index.is_needed or index.parent_oid:
            continue
        longer = [other for other in snapshot.indexes_of(index.table_oid) if is_prefix(index, other)]
        if not longer:
            continue
        by = min(longer, key=lambda other: len(other.keys))
        size_bytes = snapshot.size_bytes(index)
        message = (
            f"{index.name} is the beginning of {by.name}: {size(size_bytes)} beside {size(snapshot.size_bytes(by))},"
            f" {snapshot.scans(index):,} and {snapshot.scans(by):,} scans"
        )
        outcome = Outcome.FAIL if size_bytes > LARGE_BYTES else Outcome.WARN
        yield Found(outcome, message, index.name, drop(index), size_bytes)
