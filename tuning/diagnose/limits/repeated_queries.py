"""One statement is sent many times by each request.

When: a statement was called ten times by request or more, and is half of all calls.
Why: each call is a way to the database and back, and work of the ORM, however fast the statement is: N rows that each
fetch what belongs to them (N+1). Their sum grows with the list, and no index makes it smaller.
Remedy: select_related or prefetch_related, one query with IN or a join, and pages; the capture of statements
(docs/howto/explain.md) names the line of code that sends it.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import MOST
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run
from tuning.diagnose.split import throughput_per_s

NEEDS = ("statements",)

# Ours: a request of several statements sends each a few times; ten of the same are a loop.
MANY = 10.0


def check(run: Run) -> Iterator[Found]:
    found = run.seen.statements
    assert found is not None
    requests = throughput_per_s(run, run.seen) * run.seen.seconds
    calls = sum(each.calls for each in found)
    if not found or requests <= 0:
        yield Found(Outcome.SKIP, "no statement was called, or no request was made, while statements were counted")
        return
    most = found[0]
    each, part = most.calls / requests, most.calls / calls
    figures = {"share": part, "calls": each, "mean_s": most.mean_s, "all_calls": calls / requests}
    message = f"one statement was called {number(each)} times by request, {share(part)} of all calls"
    if each < MANY:
        yield Found(Outcome.OK, message, figures=figures)
        return
    message += f", {time(most.mean_s)} each in the database: {most.text}"
    yield Found(Outcome.FAIL if part >= MOST else Outcome.WARN, message, "pg_stat_statements, by request", figures)
