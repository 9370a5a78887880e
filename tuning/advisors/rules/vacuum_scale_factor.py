"""A large table has autovacuum's factor for small ones.

When: a table of ten million rows or more has no autovacuum_vacuum_scale_factor of its own, and the server's is over
    0.05.
Why: at 0.2 two million dead rows gather before anybody comes, and then there is much to do at once.
Remedy: a factor of 0.01 and a threshold of 1,000 for this table; the setting takes a short lock that stops nobody.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.advisors.vacuuming import option, threshold
from tuning.contract import Outcome

NEEDS = ("tables", "settings")
WEIGHT = 2

# pgdoctor; its remedy too.
MIN_ROWS, FACTOR, THRESHOLD = 10_000_000, 0.01, 1000
# Mine: whoever lowered the server's own so far has thought of it.
LOW_FACTOR = 0.05


def check(subject: Subject) -> Iterator[Found]:
    for table in subject.snapshot.tables:
        factor = option(subject.snapshot, table, "autovacuum_vacuum_scale_factor")
        has_own = "autovacuum_vacuum_scale_factor" in table.options
        if table.kind == "p" or table.rows < MIN_ROWS or has_own or factor <= LOW_FACTOR:
            continue
        limit = threshold(subject.snapshot, table)
        message = f"{table.name}, {table.rows:,} rows, is vacuumed at {limit:,.0f} dead rows: factor {factor:g}"
        options = f"autovacuum_vacuum_scale_factor = {FACTOR}, autovacuum_vacuum_threshold = {THRESHOLD}"
        yield Found(Outcome.FAIL, message, table.name, (f"ALTER TABLE {table.name} SET ({options})",), table.rows)
