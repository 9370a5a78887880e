"""What holds a slot is not told by these figures.

When: always, with a load generator's figures alone.
Why: CPU of the application, waiting for a connection, for PgBouncer, for the database or for a cache all look the same
from outside. Which it is decides what helps: more slots for waiting, less work or more cores for CPU.
Remedy: CPU of the workers during the run; `hotrow bench logins` for what logins cost; `hotrow chain` for connections
and pools that do not fit each other; `hotrow psql` for the waits in pg_stat_activity.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import time
from tuning.diagnose.run import Run

NEEDS = ()


def check(run: Run) -> Iterator[Found]:
    held = ""
    if not (run.lacks("slots") or run.lacks("seconds")):
        held = f" for {time(run.service_at_most_s)} at most"
    message = (
        f"whether a slot is held{held} by CPU, a lock, a pool, PgBouncer, the database or a cache; the workers' CPU "
        "while the load runs, `hotrow bench logins`, `hotrow chain` for pools, and waits by `hotrow psql` decide it"
    )
    yield Found(Outcome.SKIP, message)
