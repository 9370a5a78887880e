"""A large table is read whole more often than by an index.

When: a table of 10,000 rows or more has under 95 % of its scans by index, and over 10 sequential scans for each
    index scan; at 50,000 rows 50 for each. SKIP while statistics are young or a replica was not read.
Why: an index may be missing. It may also be a report, a backup or a small share of the time: counts are not cost.
Remedy: look at the statements before an index is made: capture some and run `hotrow explain` on them. PostgreSQL 18
    can use an index of several columns without its first one, where that has few values; before, it cannot.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("tables", "database")
WEIGHT = 1

# pghero.
MIN_ROWS = 10_000
INDEX_SHARE = 0.95
# pgdoctor: sequential scans for each index scan, at so many rows.
RATIO, LARGE_ROWS, LARGE_RATIO = 10, 50_000, 50
# Mine: a dump and a few analyses are no workload.
MIN_SCANS = 100
SKIP_SCAN_MAJOR = 18


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    for table in snapshot.tables:
        sequential, by_index = snapshot.table_scans(table)
        if table.rows < MIN_ROWS or sequential < MIN_SCANS or table.root_oid:
            continue
        ratio = LARGE_RATIO if table.rows >= LARGE_ROWS else RATIO
        if by_index / (sequential + by_index) >= INDEX_SHARE or sequential <= ratio * by_index:
            continue
        seen = [each for each in snapshot.statements if table.bare_name in each.query]
        slowest = f"; most time: {' '.join(seen[0].query.split())[:80]}" if seen else ""
        skips = " (skip scan included)" if snapshot.major >= SKIP_SCAN_MAJOR else ""
        message = (
            f"{table.name}, {table.rows:,} rows, {size(table.heap_bytes)}: {sequential:,} sequential scans and"
            f" {by_index:,} by index{skips}{slowest}"
        )
        evidence = float(sequential) * table.heap_bytes
        if subject.doubts:
            yield Found(Outcome.SKIP, f"{message}; {subject.doubts}", table.name, evidence=evidence)
        else:
            yield Found(Outcome.WARN, message, table.name, evidence=evidence)
