"""An index is not used, or hardly ever.

When: an index of 32 kB or more was used 50 times or less, on this server and on every replica that was read. It is
    SKIP, and named, while statistics are younger than a week or a replica was not read. An index that enforces
    something, or that alone serves a foreign key, is never meant.
Why: each INSERT, and each UPDATE that is not HOT, writes it; it takes memory, and the log carries it to replicas.
Remedy: DROP INDEX CONCURRENTLY where it was never used. Where it was used now and then, find out by what first: hide
    it over the captured workload; a report of the quarter may be worth an index.
"""

from collections.abc import Iterator

from tuning.advisors.candidates import drop, droppable
from tuning.advisors.findings import Found
from tuning.advisors.quantities import age, size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("indexes", "tables", "foreign_keys", "database")
WEIGHT = 2

# pghero: unused is 50 scans or less.
MOST_SCANS = 50
# pganalyze ignores smaller ones.
MIN_BYTES = 32 * 1024


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    for index in snapshot.indexes:
        scans, size_bytes = snapshot.scans(index), snapshot.size_bytes(index)
        if scans > MOST_SCANS or size_bytes < MIN_BYTES or not droppable(snapshot, index):
            continue
        table = snapshot.table(index.table_oid)
        writes = table.writes if table is not None else 0
        last = snapshot.last_scan_s_ago(index)
        used = "never used" if not scans else f"used {scans} times"
        since = f", last {age(last)} ago" if scans and last is not None else ""
        message = f"{index.name} was {used} in {subject.days:.1f} days{since}: {size(size_bytes)}, {writes:,} writes"
        evidence = size_bytes * (1.0 + writes)
        if subject.doubts:
            yield Found(Outcome.SKIP, f"{message}; {subject.doubts}", index.name, evidence=evidence)
        else:
            yield Found(Outcome.WARN, message, index.name, drop(index) if not scans else (), evidence)
