"""The database has no processor time left.

When: PostgreSQL used four fifths of all cores or more; it is a warning where the host was busy and PostgreSQL used
most.
Why: sessions that do not wait want a processor, and more of them than cores take turns: each is slower, and no more
gets done. A pool that is larger makes it worse.
Remedy: find the statements with most time (pg_stat_statements, `hotrow explain plan`), make them cheaper, keep their
answers, or read on a replica; then a larger host.
"""

from collections.abc import Iterator

from tuning.diagnose.cores_taken import taken
from tuning.diagnose.evidence.processes import POSTGRESQL
from tuning.diagnose.findings import Found
from tuning.diagnose.run import Run

NEEDS = ("postgresql",)


def check(run: Run) -> Iterator[Found]:
    processors = run.seen.processors
    assert processors is not None
    yield taken(processors, POSTGRESQL, "PostgreSQL", processors.cores)
