"""Slots over response time is no capacity.

When: the slots are saturated, so that the response time is mostly queueing.
Why: a slot is held for the service time. Dividing by the response time counts the queue as work, and the worse the
queue, the smaller the "capacity" that comes out; who then multiplies by the slots again has counted them twice.
Remedy: divide the slots by the service time, which the utilisation law bounds.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.run import Run

NEEDS = ("slots", "seconds")


def check(run: Run) -> Iterator[Found]:
    slots, slowest = run.slots, max(run.load.requests, key=lambda each: each.mean_s)
    quotient = slots / slowest.mean_s
    figures = {
        "slots": slots,
        "response_s": slowest.mean_s,
        "quotient_per_s": quotient,
        "quotient_times_slots_per_s": quotient * slots,
        "throughput_per_s": run.throughput_per_s,
        "service_at_most_s": run.service_at_most_s,
    }
    if not run.is_saturated:
        yield Found(
            Outcome.OK, "the figures do not show that response times are mostly queueing", laws.UTILISATION, figures
        )
        return
    message = (
        f"{slots} slots over the {time(slowest.mean_s)} of {slowest.name} are {rate(quotient)}, and no capacity: the "
        f"response time has the queue in it, and the same slots served {number(run.throughput_per_s / quotient)} "
        f"times as much, {rate(run.throughput_per_s)}. Times {slots} again, {rate(quotient * slots)}, the slots are "
        "counted twice"
    )
    yield Found(Outcome.WARN, message, laws.UTILISATION, figures)
