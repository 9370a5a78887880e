"""Every kind of request waits in the same queue, before the application.

When: two kinds of request or more, nine tenths of all requests, must have waited for a slot for half of their response
time or more, since all slots together have no more time to give them.
Why: a wait that reads share with writes is in front of the code that differs between them. A lock, a slow query or a
missing index of one kind of request lies inside its slot and cannot be longer than the slot is held.
Remedy: do not tune the slowest request; shorten whatever takes most of the slots' time, all kinds together.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, time
from tuning.diagnose.run import Run

NEEDS = ("slots", "seconds", "kinds")

# Ours: below it, what happens inside the slot may be the larger part.
SHARED = 0.5
# Ours: rare kinds may have held a slot for any time, as far as these figures tell.
MOST = 0.9


def check(run: Run) -> Iterator[Found]:
    parts = run.load.requests
    held_s = {each.name: run.held_at_most_s(each) for each in parts}
    figures = {f"{each.name}, response_s": each.mean_s for each in parts}
    figures |= {f"{name}, held_at_most_s": value for name, value in held_s.items()}
    waiting = [each for each in parts if 1 - held_s[each.name] / each.mean_s >= SHARED]
    fastest, slowest = min(each.mean_s for each in parts), max(each.mean_s for each in parts)
    figures["slowest_over_fastest"] = slowest / fastest
    if not run.is_saturated:
        yield Found(Outcome.OK, "fewer than two requests for each slot were in the system", "", figures)
        return
    said = ", ".join(f"{each.name} {time(each.mean_s - held_s[each.name])} of {time(each.mean_s)}" for each in waiting)
    others = ", ".join(each.name for each in parts if each not in waiting)
    untold = f"; of {others}, too rare for a bound, the figures do not tell" if others else ""
    if len(waiting) < 2 or sum(each.count for each in waiting) < MOST * run.load.total.count:
        known = (
            f"waiting for a slot is at least {said}{untold}" if said else f"the figures do not tell where {others} wait"
        )
        yield Found(Outcome.SKIP, known, laws.UTILISATION, figures)
        return
    message = (
        f"requests of every kind are slow, their means differ by a factor of {number(slowest / fastest)}, and they "
        f"wait before they get a slot, at least: {said}{untold}. The queue is in front of the application, not on a "
        "row; what keeps the slots taken is another question"
    )
    yield Found(Outcome.WARN, message, laws.UTILISATION, figures, "none: no request can take more than all slots")
