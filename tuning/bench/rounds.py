"""Interleaved rounds: every row once in each, so that a slow minute of the machine meets all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tuning.bench.matrix import Case, rotated
from tuning.bench.measure import Meter, Sample

Report = Callable[[str], None]
WARM_UP_S = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row and what each round measured of it."""

    case: Case
    protocol: str
    samples: list[Sample] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [sample.rate for sample in self.samples]


def run(meter: Meter, cases: Sequence[Case], *, rounds: int, seconds: int, step: Report, figures: Report) -> list[Row]:
    """Measure every row once in each round, in an order that is rotated from round to round.

    Args:
        meter: Measures one row.
        cases: The rows, in the order of the table.
        rounds: How often each is measured.
        seconds: The length of each measurement.
        step: Called when a round begins.
        figures: Called with the row that is measured and how many are left.
    """
    rows = {case: Row(case, meter.protocol(case)) for case in cases}
    if not cases:
        return []
    step("warming up")
    meter.measure(cases[0], WARM_UP_S)
    for number in range(rounds):
        step(f"round {number + 1} of {rounds}: {len(cases)} rows, {seconds} s each")
        for position, case in enumerate(rotated(cases, number, rounds), start=1):
            figures(f"round {number + 1} of {rounds}, row {position} of {len(cases)}: {case.title}")
            rows[case].samples.append(meter.measure(case, seconds))
    return list(rows.values())
