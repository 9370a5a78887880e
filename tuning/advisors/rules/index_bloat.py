"""An index is larger than its rows need.

When: over 30 % of an index and 100 MB are empty, or over half of one of 10 MB; fails over 30 % and 1 GB, or over
    70 % of 100 MB. Measured with pgstattuple where it is installed, up to 1 GB in all; else estimated from the widths
    of the columns, which is said.
Why: empty pages take memory and are read all the same.
Remedy: REINDEX INDEX CONCURRENTLY, which needs room for a second copy and waits for old transactions. If it comes back
    soon, VACUUM comes too rarely, or keys are deleted at one end and inserted at the other.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe.relations import Index

NEEDS = ("indexes",)
WEIGHT = 1

# pgdoctor, and pghero's 100 MB; a share of the index, and bytes.
SHARE, BYTES, MANY_BYTES = 0.30, 100 * 1024**2, 1024**3
HALF, HALF_MIN_BYTES = 0.50, 10 * 1024**2
MOST, MOST_MIN_BYTES = 0.70, 100 * 1024**2
# B-tree leaves are built so full: less is what was lost.
BUILT_DENSITY = 0.90


def check(subject: Subject) -> Iterator[Found]:
    skipped = 0
    for index in subject.snapshot.indexes:
        if index.method != "btree" or index.kind == "I" or index.size_bytes < HALF_MIN_BYTES or not index.is_valid:
            continue
        share, how = _empty(index)
        if share is None:
            skipped += 1
            continue
        wasted = share * index.size_bytes
        outcome = _outcome(share, wasted, index.size_bytes)
        if outcome is not None:
            message = f"{index.name}: {share:.0%} of {size(index.size_bytes)} is empty, {how}"
            yield Found(outcome, message, index.name, (f"REINDEX INDEX CONCURRENTLY {index.name}",), wasted)
    if skipped:
        yield Found(
            Outcome.SKIP, f"{skipped} indexes have neither pgstattuple nor statistics of their columns: ANALYZE"
        )


def _empty(index: Index) -> tuple[float | None, str]:
    if index.leaf_density is not None:
        return max(0.0, 1 - index.leaf_density / BUILT_DENSITY), f"measured: leaves are {index.leaf_density:.0%} full"
    if index.expected_bytes is not None:
        share = max(0.0, 1 - index.expected_bytes / index.size_bytes)
        return share, "estimated from the widths of its columns; pgstattuple measures it"
    return None, ""


def _outcome(share: float, wasted: float, size_bytes: int) -> Outcome | None:
    if (share > SHARE and wasted >= MANY_BYTES) or (share > MOST and size_bytes >= MOST_MIN_BYTES):
        return Outcome.FAIL
    if (share > SHARE and wasted >= BYTES) or share > HALF:
        return Outcome.WARN
    return None
