"""A table has many dead rows.

When: over 20 % of a table's rows are dead, of a table over 1 GB over 10 %; fails over 40 %, and over 20 % of 10 GB.
Why: each scan reads them, and the table grows instead of using their room again.
Remedy: VACUUM it now, and see why it did not happen: xmin-horizon, vacuum-due, vacuum-scale-factor. VACUUM gives no
    room back to the disk; an online repack does.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("tables",)
WEIGHT = 2

# pgdoctor.
WARN_SHARE, FAIL_SHARE = 0.20, 0.40
LARGE_BYTES, LARGE_SHARE = 1024**3, 0.10
HUGE_BYTES, HUGE_SHARE = 10 * 1024**3, 0.20
# Mine: a table of a few pages is vacuumed in a moment, or pruned by whoever reads it.
MIN_DEAD = 1000


def check(subject: Subject) -> Iterator[Found]:
    for table in subject.snapshot.tables:
        if table.dead_rows < MIN_DEAD or table.kind == "p":
            continue
        share = table.dead_rows / (table.live_rows + table.dead_rows)
        is_huge = table.heap_bytes > HUGE_BYTES and share > HUGE_SHARE
        is_large = table.heap_bytes > LARGE_BYTES and share > LARGE_SHARE
        if share <= WARN_SHARE and not is_large:
            continue
        outcome = Outcome.FAIL if share > FAIL_SHARE or is_huge else Outcome.WARN
        message = f"{table.name}: {share:.0%} of the rows are dead, {table.dead_rows:,}; {size(table.heap_bytes)}"
        yield Found(outcome, message, table.name, (f"VACUUM (ANALYZE) {table.name}",), share * table.heap_bytes)
