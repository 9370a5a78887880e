"""A comparison throws most of what it reads away, and no index has its column.

When: pg_qualstats saw a comparison that threw away 1,000 rows or more on average, and 30 % or more of what it compared,
    and no index of the table begins with the column. From 18 on an index that has it second may serve; that is said.
Why: an index would read what is asked for alone.
Remedy: an index on the column, proven before it is made. What it would cost in HOT updates is said with the finding.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import quoted
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("predicates", "indexes", "tables")
WEIGHT = 2

# pg_qualstats' own index advisor: rows filtered on average, and their share.
MIN_FILTERED, MIN_SHARE = 1000.0, 0.30
# A b-tree serves these; of others no index on the column alone is advised.
OPERATORS = ("=", "<", ">", "<=", ">=")
SKIP_SCAN_MAJOR = 18


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    for predicate in snapshot.predicates:
        table = snapshot.table(predicate.table_oid)
        if table is None or not predicate.calls or not predicate.rows or predicate.operator not in OPERATORS:
            continue
        filtered, share = predicate.filtered / predicate.calls, predicate.filtered / predicate.rows
        if filtered < MIN_FILTERED or share < MIN_SHARE:
            continue
        indexes = [index for index in snapshot.indexes_of(table.oid) if index.is_valid]
        if any(index.keys and index.keys[0].column == predicate.column for index in indexes):
            continue
        later = [index for index in indexes if predicate.column in {key.column for key in index.keys[1:]}]
        skips = f"; {later[0].name} has it later, which PostgreSQL 18 may skip to" if later else ""
        told = skips if snapshot.major >= SKIP_SCAN_MAJOR else ""
        message = (
            f"{table.name}.{predicate.column} {predicate.operator}: {filtered:,.0f} rows thrown away on average,"
            f" {share:.0%}, {predicate.calls:,} times{told}; {subject.hot_loss(table, frozenset({predicate.column}))}"
        )
        build = f"CREATE INDEX CONCURRENTLY ON {table.name} ({quoted(predicate.column)})"
        about = f"{table.name}.{predicate.column}"
        yield Found(Outcome.WARN, message, about, (build,) if table.kind == "r" else (), predicate.filtered)
