"""Queries write temporary files.

When: since the statistics were reset, 5 files or 1 GB an hour; fails at 20 files, or 5 GB. Under an hour counts as one.
Why: a sort or hash that does not fit work_mem goes through the disk, and everybody's reads wait for it.
Remedy: find them with log_temp_files and `hotrow explain` (sort-spill, hash-spill); an index that has the order, or
    work_mem for that role or query, not for all.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("database",)
WEIGHT = 2

# pgdoctor, an hour.
WARN_FILES, FAIL_FILES = 5, 20
WARN_BYTES, FAIL_BYTES = 1024**3, 5 * 1024**3
HOUR_S = 3600.0


def check(subject: Subject) -> Iterator[Found]:
    database = subject.snapshot.database
    assert database is not None
    hours = max(HOUR_S, database.statistics_age_s) / HOUR_S
    files, size_bytes = database.temp_files / hours, database.temp_bytes / hours
    message = f"{files:,.1f} temporary files and {size(size_bytes)} an hour"
    sql = ("ALTER SYSTEM SET log_temp_files = '10MB'", "SELECT pg_reload_conf()")
    if files >= FAIL_FILES or size_bytes >= FAIL_BYTES:
        yield Found(Outcome.FAIL, message, sql=sql, evidence=size_bytes)
    elif files >= WARN_FILES or size_bytes >= WARN_BYTES:
        yield Found(Outcome.WARN, message, sql=sql, evidence=size_bytes)
    else:
        yield Found(Outcome.OK, message)
