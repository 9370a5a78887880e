"""Waiting for a lock is no conclusion of these figures.

When: always, with a load generator's figures alone.
Why: a generator times requests from outside. A wait for a lock looks like a wait for a slot, a connection or a CPU,
and only the database knows who waited for whom. These figures bound it: it lies inside the slot, so it is no longer
than that. A lock that keeps slots taken makes others wait for slots too, as anything does that keeps them.
Remedy: while the load runs, ask for sessions that wait and for those that they wait for: `hotrow psql -c "SELECT pid,
pg_blocking_pids(pid), wait_event, query FROM pg_stat_activity WHERE wait_event_type = 'Lock'"`. Without a row that
names a blocker, no lock is to blame.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import share, time
from tuning.diagnose.run import Run

NEEDS = ()

DECIDED_BY = "pg_blocking_pids while the load runs decides it: `hotrow rules show lock-contention` has the query"


def check(run: Run) -> Iterator[Found]:
    said = "no figure of a load generator shows a lock or who holds it"
    if run.lacks("slots") or run.lacks("seconds"):
        yield Found(Outcome.SKIP, f"{said}; {DECIDED_BY}")
        return
    parts = run.load.requests
    held_s = {each.name: run.held_at_most_s(each) for each in parts}
    figures = {f"{each.name}, held_at_most_s": held_s[each.name] for each in parts}
    bounds = ", ".join(
        f"{each.name} {time(held_s[each.name])} ({share(held_s[each.name] / each.mean_s)})" for each in parts
    )
    message = f"{said}. A request waited for one no longer, on average, than it held its slot: {bounds}; {DECIDED_BY}"
    yield Found(Outcome.SKIP, message, laws.UTILISATION, figures)
