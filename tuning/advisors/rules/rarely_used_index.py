"""An index is written more often than it is read.

When: the table has had more than 100 writes, and for each there was one scan of the index or less, which is under a
    tenth of the table's index scans; for an index over 100 MB under a twentieth is enough. The unused-index rule
    speaks of those that are not used at all. SKIP while statistics are young or a replica was not read.
Why: what it saves its few readers, every writer pays.
Remedy: look at the statements that use it; another index may serve them nearly as well, or a partial one that fewer
    writes touch.
"""

from collections.abc import Iterator

from tuning.advisors.candidates import droppable
from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.rules.unused_index import MOST_SCANS
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("indexes", "tables", "foreign_keys", "database")
WEIGHT = 1

# postgres_dba, i1.
MIN_WRITES = 100
SCANS_PER_WRITE = 1.0
SCAN_SHARE = 0.10
LARGE_BYTES = 100 * 1024 * 1024
LARGE_SCAN_SHARE = 0.05


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    for index in snapshot.indexes:
        table = snapshot.table(index.table_oid)
        scans = snapshot.scans(index)
        if table is None or scans <= MOST_SCANS or not droppable(snapshot, index):
            continue
        of_table = snapshot.table_scans(table)[1]
        share = scans / of_table if of_table else 0.0
        size_bytes = snapshot.size_bytes(index)
        is_costly = table.writes > MIN_WRITES and scans / table.writes <= SCANS_PER_WRITE and share < SCAN_SHARE
        if not is_costly and not (size_bytes > LARGE_BYTES and share < LARGE_SCAN_SHARE and table.writes > MIN_WRITES):
            continue
        used = f"{scans:,} scans, {share:.0%} of the table's"
        message = f"{index.name}: {used}, for {table.writes:,} writes; {size(size_bytes)}"
        if subject.doubts:
            yield Found(Outcome.SKIP, f"{message}; {subject.doubts}", index.name, evidence=table.writes)
        else:
            yield Found(Outcome.WARN, message, index.name, evidence=table.writes)
