"""One request asks the same again and again.

When: a request sends a statement of one shape three times or more, or the same values twice.
Why: each costs a round trip and holds the connection, however fast the statement is: N+1.
Remedy: select_related or prefetch_related; one statement with IN; FETCH_PEERS in Django 6.1; bulk_create for
    writes; keep the answer for the length of the request where the values repeat.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("requests",)

# query-doctor: calls of one shape. A repeated value is one too many.
MIN_CALLS = 3
MIN_SAME = 1


def check(subject: Subject) -> Iterator[Found]:
    assert subject.statement is not None
    repeats = [r for r in subject.statement.repeats or () if r.calls >= MIN_CALLS or r.same_values >= MIN_SAME]
    if not repeats:
        return
    worst = max(repeats, key=lambda each: each.calls)
    same = f", {worst.same_values} of them for values it had" if worst.same_values else ""
    route = f" of {worst.route}" if worst.route else ""
    caller = f"; from {worst.callers[0]}" if worst.callers else ""
    message = f"up to {worst.calls:,} times in one request{route}{same}; {len(repeats):,} requests do it{caller}"
    yield Found(Outcome.WARN, message)
