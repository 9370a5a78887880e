"""A sequence runs out, or its column does.

When: a sequence has used 75 % of what it or its column's type holds; fails at 90 %. Of a column of 32 or 16 bits 50 %,
    and 75 %: to change its type takes long. The column counts, not the sequence: a bigint sequence may feed an integer.
Why: the next INSERT fails, and so does each after it.
Remedy: a bigint column beside it, filled in batches and swapped in; ALTER COLUMN TYPE writes the table anew and stops
    everybody. Columns that refer to it grow with it.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.observe.relations import Sequence

NEEDS = ("sequences",)
WEIGHT = 3

# pgdoctor, and pghero's 90 %.
WARN_SHARE, FAIL_SHARE = 0.75, 0.90
SMALL_WARN_SHARE, SMALL_FAIL_SHARE = 0.50, 0.75
_BITS = {"smallint": 15, "integer": 31, "bigint": 63}


def check(subject: Subject) -> Iterator[Found]:
    hidden = [each for each in subject.snapshot.sequences if not each.is_readable]
    for sequence in subject.snapshot.sequences:
        used = _used(sequence)
        warn, fail = WARN_SHARE, FAIL_SHARE
        if _BITS.get(sequence.column_type, 63) < 63:
            warn, fail = SMALL_WARN_SHARE, SMALL_FAIL_SHARE
        if used < warn or sequence.cycles:
            continue
        about = sequence.column or sequence.name
        message = f"{about} ({sequence.column_type}) has used {used:.0%}: {sequence.last_value:,} by {sequence.name}"
        yield Found(Outcome.FAIL if used >= fail else Outcome.WARN, message, about, (), used)
    if hidden:
        names = ", ".join(sequence.name for sequence in hidden[:3])
        message = f"{len(hidden)} sequences may not be read by this role: {names}; GRANT SELECT ON SEQUENCE"
        yield Found(Outcome.SKIP, message)


def _used(sequence: Sequence) -> float:
    """The share (0 to 1) of the way from its start to where it or its column ends."""
    if sequence.last_value is None:
        return 0.0
    highest: int = 2 ** _BITS.get(sequence.column_type, 63) - 1
    if sequence.increment < 0:
        return max(0.0, sequence.last_value / max(sequence.min_value, -highest - 1))
    return max(0.0, sequence.last_value / min(sequence.max_value, highest))
