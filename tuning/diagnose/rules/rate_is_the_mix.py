"""The rate of one kind of request follows from the mix; it is not what the service can do of it.

When: there are several kinds of request.
Why: users choose what they send, so each kind gets its share of the whole. A small rate of the rarest says that it is
rare; its capacity is at least this, and would have to be measured with that request alone.
Remedy: to know what reservations can reach, send only reservations: `hotrow bench http` or `hotrow bench sql`.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import rate, share
from tuning.diagnose.run import Run

NEEDS = ("seconds", "kinds")


def check(run: Run) -> Iterator[Found]:
    total = run.load.total
    rarest = min(run.load.requests, key=lambda each: each.count)
    visits = rarest.count / total.count
    figures = {
        "requests": rarest.count,
        "of": total.count,
        "visits": visits,
        "throughput_per_s": run.throughput_per_s,
        "flow_per_s": laws.flow_per_s(visits, run.throughput_per_s),
    }
    message = (
        f"{rate(figures['flow_per_s'])} of {rarest.name} are its share, {rarest.count:,} of {total.count:,} requests "
        f"or {share(visits)}, of {rate(run.throughput_per_s)}: the mix, and not a capacity"
    )
    yield Found(Outcome.OK, message, laws.FORCED_FLOW, figures)
