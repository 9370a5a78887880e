"""Suggested indexes for people to read."""

from collections.abc import Iterable, Iterator

from tuning.whatif.suggesting import Advice, Suggestion

_MOST_STATEMENTS = 10


def lines(advice: Advice, notes: Iterable[str]) -> Iterator[str]:
    for each in advice.suggestions:
        yield from _suggestion(each)
    if advice.unserved:
        yield "Without a suggestion:"
    for query, reason in advice.unserved:
        yield f"  {query.fingerprint} {query.title}"
        yield f"    {reason}"
    for note in (*notes, *advice.notes, str(advice.spent)):
        yield f"Note: {note}."
    statements = len({each.query.fingerprint for one in advice.suggestions for each in one.served})
    yield f"{len(advice.suggestions)} indexes suggested for {statements} statements; nothing was created."


def _suggestion(each: Suggestion) -> Iterator[str]:
    yield f"{each.candidate.sql(concurrently=True)};"
    writes = (
        f"writes of this workload pay {each.write_cost:,.0f}" if each.write_cost else "no write of this workload pays"
    )
    size = f"about {each.size_bytes / 2**20:,.1f} MiB"
    yield f"  saves {each.gain:,.0f} in the planner's units, {writes}; {size}; {each.checked}"
    for one in each.served[:_MOST_STATEMENTS]:
        costs = f"cost {one.before:,.0f} -> {one.after:,.0f}"
        yield f"  {one.query.fingerprint} x{one.query.calls:,}, {costs}: {one.query.title}"
    if len(each.served) > _MOST_STATEMENTS:
        yield f"  and {len(each.served) - _MOST_STATEMENTS} more statements"
    for note in each.notes:
        yield f"  {note}"
    yield ""
