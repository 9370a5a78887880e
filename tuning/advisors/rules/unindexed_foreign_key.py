"""A foreign key's columns have no index.

When: no valid index of the table begins with the foreign key's columns, the table is over 9 MB, and the table or its
    parent has had more than 1,000 writes, or the parent is over 10 MB.
Why: each DELETE of a parent row, and each UPDATE of its key, reads the whole table to see that nobody refers to it,
    and holds the parent's lock meanwhile.
Remedy: an index on the columns, built concurrently; where the parent is never deleted from nor joined to, none. What
    it costs in HOT updates is said with the finding.
"""

from collections.abc import Iterator

from tuning.advisors.candidates import serves
from tuning.advisors.findings import Found
from tuning.advisors.quantities import quoted, size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("foreign_keys", "indexes", "tables")
WEIGHT = 2

# postgres_dba, i3.
MIN_BYTES = 9 * 1024 * 1024
MIN_WRITES = 1000
MIN_PARENT_BYTES = 10 * 1024 * 1024


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    for key in snapshot.foreign_keys:
        table, parent = snapshot.table(key.table_oid), snapshot.table(key.parent_oid)
        if table is None or parent is None or any(serves(each, key) for each in snapshot.indexes_of(table.oid)):
            continue
        is_busy = max(table.writes, parent.writes) > MIN_WRITES or parent.heap_bytes > MIN_PARENT_BYTES
        if table.heap_bytes <= MIN_BYTES or not is_busy:
            continue
        columns = ", ".join(map(quoted, key.columns))
        message = (
            f"{table.name} ({columns}) refers to {parent.name} and has no index: {size(table.heap_bytes)},"
            f" {parent.deletes:,} rows of the parent were deleted; {subject.hot_loss(table, frozenset(key.columns))}"
        )
        build = f"CREATE INDEX CONCURRENTLY ON {table.name} ({columns})"
        if table.kind == "p":
            build = f"CREATE INDEX ON ONLY {table.name} ({columns})"
        evidence = table.heap_bytes * (1.0 + parent.deletes)
        yield Found(Outcome.WARN, message, f"{table.name}.{key.name}", (build,), evidence)
