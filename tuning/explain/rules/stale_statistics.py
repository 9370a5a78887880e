"""An estimate is wrong because the table's statistics are old.

When: an estimate of a table's rows is off (misestimate), and the table was never analyzed, or has had 100,000
    changes since, or half of its rows, or any in seven days; fails at 500,000 changes or 25 days.
Why: the planner knows the table as it was at the last ANALYZE.
Remedy: ANALYZE it now; lower autovacuum_analyze_scale_factor for this table, so that it happens by itself.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.estimates import misestimated
from tuning.explain.findings import Found
from tuning.explain.subject import Subject
from tuning.observe.statistics import TableStatistics

NEEDS = ("plan", "actual", "statistics")

# pgdoctor, tablevacuumhealth: changes, and age in days.
MANY_CHANGES = 100_000
TOO_MANY_CHANGES = 500_000
OLD_S = 7 * 86_400
TOO_OLD_S = 25 * 86_400
# Mine: autovacuum analyzes after a tenth; at five times that it is not keeping up, or is off.
CHANGED_SHARE = 0.5


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    told = set()
    for node in misestimated(plan):
        known = subject.statistics(node)
        outcome = outcome_of(known) if known is not None else None
        if known is None or outcome is None or known.table in told or not subject.matters(plan.root):
            continue
        told.add(known.table)
        yield Found(outcome, told_age(known), node)


def told_age(known: TableStatistics) -> str:
    """When a table was analyzed, and what has changed since."""
    age = known.analyzed_s_ago
    when = f"{age / 86_400:.1f} days ago" if age is not None else "never"
    changed = f"{known.changed_rows:,} of {known.live_rows:,} rows have changed since"
    return f"{known.table} was analyzed {when}, and {changed}"


def outcome_of(known: TableStatistics) -> Outcome | None:
    """How much too old a table's statistics are; None where they are not."""
    age = known.analyzed_s_ago
    if known.changed_rows >= TOO_MANY_CHANGES or (age is not None and age >= TOO_OLD_S and known.changed_rows):
        return Outcome.FAIL
    is_changed = known.changed_rows >= MANY_CHANGES or known.changed_rows >= max(1, CHANGED_SHARE * known.live_rows)
    if is_changed or age is None or (age >= OLD_S and known.changed_rows):
        return Outcome.WARN
    return None
