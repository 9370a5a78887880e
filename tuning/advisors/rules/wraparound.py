"""Transaction ids run out.

When: a table's or database's oldest transaction id, or multixact id, is 500 million old; fails at a billion.
Why: at two billion the server refuses every write until it is vacuumed, which then takes long.
Remedy: VACUUM (FREEZE) the tables that are named, the oldest first; see what keeps VACUUM from it: xmin-horizon.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("tables", "database")
WEIGHT = 3

# pgdoctor. PostgreSQL stops three million before 2^31.
WARN_AGE, FAIL_AGE = 500_000_000, 1_000_000_000
# A database that nobody vacuums has as many as tables; the first are enough to begin with.
MOST_TOLD = 10
LIMIT = 2**31 - 3_000_000


def check(subject: Subject) -> Iterator[Found]:
    snapshot = subject.snapshot
    database = snapshot.database
    assert database is not None
    oldest = max(database.frozen_xid_age, database.frozen_mxid_age)
    ages = {table.name: max(table.frozen_xid_age, table.frozen_mxid_age) for table in snapshot.tables}
    for name in sorted(ages, key=lambda each: -ages[each])[:MOST_TOLD]:
        if ages[name] >= WARN_AGE:
            yield _found(name, ages[name], f"VACUUM (FREEZE) {name}")
    if oldest >= WARN_AGE:
        yield _found(f"database {database.frozen_database}", oldest, "VACUUM (FREEZE)")
    else:
        yield Found(Outcome.OK, f"the oldest transaction id is {oldest:,} old")


def _found(about: str, age: int, sql: str) -> Found:
    outcome = Outcome.FAIL if age >= FAIL_AGE else Outcome.WARN
    message = f"{about}: the oldest id is {age:,} old, {max(0, LIMIT - age):,} are left"
    return Found(outcome, message, about, (sql,), age)
