"""A table waits for autovacuum.

When: dead rows are over the threshold that autovacuum has for the table (its threshold, plus its scale factor times
    the rows, from 18 on at most autovacuum_vacuum_max_threshold), and nobody vacuums it; fails where autovacuum is off
    for it, or at five times the threshold.
Why: autovacuum looks once a minute. What is still due then waits for workers, or is throttled, or is off.
Remedy: turn it on; more speed before more workers: autovacuum_vacuum_cost_limit. If dead rows stay after a VACUUM,
    something holds them: xmin-horizon.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.advisors.vacuuming import is_off, threshold
from tuning.contract import Outcome

NEEDS = ("tables", "settings")
WEIGHT = 2

# Mine: autovacuum gets there within minutes unless something keeps it.
FAR_OVER = 5


def check(subject: Subject) -> Iterator[Found]:
    for table in subject.snapshot.tables:
        limit = threshold(subject.snapshot, table)
        if table.kind == "p" or table.is_vacuumed_now or table.dead_rows <= limit:
            continue
        is_never = is_off(subject.snapshot, table)
        outcome = Outcome.FAIL if is_never or table.dead_rows > FAR_OVER * limit else Outcome.WARN
        why = "autovacuum is off for it" if is_never else "no worker is at it"
        message = f"{table.name}: {table.dead_rows:,} dead rows, due at {limit:,.0f}, and {why}"
        sql: tuple[str, ...] = ()
        if "autovacuum_enabled" in table.options:
            sql = (f"ALTER TABLE {table.name} RESET (autovacuum_enabled)",)
        if is_never and not sql:
            sql = ("ALTER SYSTEM SET autovacuum = on", "SELECT pg_reload_conf()")
        yield Found(
            outcome, message, table.name, (*sql, f"VACUUM (ANALYZE) {table.name}"), table.dead_rows / (limit + 1)
        )
