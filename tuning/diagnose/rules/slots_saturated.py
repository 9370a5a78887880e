"""Requests wait for a worker slot, and that is a large part of their response time.

When: by Little's law more requests are in the system than there are slots, by over 5 %; from two for each slot on it
is a failure.
Why: at most one request is served in a slot, so the others wait in front of the workers, in the listen queue or the
pool of connections, where neither the application nor the database sees them. By the utilisation law a request cannot
hold its slot for longer than slots / throughput on average, whatever the response time says.
Remedy: shorten what holds a slot, beginning with CPU work; more slots help only as far as what holds them is waiting.
What holds them, these figures do not tell: see what could not be concluded.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run

NEEDS = ("slots", "seconds")

# Ours: rounding of published means and rates.
TOLERANCE = 0.05
ALLOWED = "5 %; at most all slots are taken all the time; a generator that is itself slow adds to the wait"


def check(run: Run) -> Iterator[Found]:
    response_s, slots = run.load.total.mean_s, run.slots
    figures = {
        "slots": slots,
        "throughput_per_s": run.throughput_per_s,
        "response_s": response_s,
        "in_system": run.in_system,
        "service_at_most_s": run.service_at_most_s,
    }
    law = f"{laws.LITTLE}; {laws.UTILISATION}"
    if run.in_system <= slots * (1 + TOLERANCE):
        message = f"{number(run.in_system)} requests were in the system on average, for {slots} slots"
        yield Found(Outcome.OK, message, law, figures, ALLOWED)
        return
    figures["wait_share"] = 1 - slots / run.in_system
    message = (
        f"{share(figures['wait_share'])} of the mean response time of {time(response_s)} is waiting for one of "
        f"{slots} slots: {number(run.in_system)} requests were in the system, and a request holds its slot for "
        f"{time(run.service_at_most_s)} on average at most"
    )
    yield Found(Outcome.FAIL if run.is_saturated else Outcome.WARN, message, law, figures, ALLOWED)
