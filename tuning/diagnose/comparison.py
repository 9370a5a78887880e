"""What changed from one run to another, with the spread of repeats where there are any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tuning.diagnose.bounds import Bound
from tuning.diagnose.findings import Diagnosis
from tuning.diagnose.readers.run_folder import Folder
from tuning.diagnose.run import Run
from tuning.diagnose.split import Split


@dataclass(frozen=True, slots=True)
class Spread:
    """Of the repeats: the median, the least and the most."""

    middle: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of both; ``is_clear`` is None with a single run on a side, whose spread nobody knows."""

    name: str
    unit: str
    before: Spread
    after: Spread
    is_clear: bool | None

    @property
    def ratio(self) -> float | None:
        return self.after.middle / self.before.middle if self.before.middle else None


@dataclass(frozen=True, slots=True)
class Side:
    name: str
    runs: int
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class Comparison:
    before: Side
    after: Side
    changes: tuple[Change, ...]
    predicted: tuple[Bound, ...]
    """What the first run's demands allowed at most, to be held against what the second reached."""
    measured_per_s: float


Judged = Sequence[tuple[Folder, Diagnosis]]
_PERCENTILE = 95.0


def compare(before: Judged, after: Judged) -> Comparison:
    """Hold the repeats of two runs against each other; the first of each stands for its diagnosis."""
    changes = [
        _change("throughput", "req/s", before, after, lambda run: run.throughput_per_s),
        _change("mean", "s", before, after, lambda run: run.load.total.mean_s),
        _change("P95", "s", before, after, lambda run: run.load.total.percentiles_s.get(_PERCENTILE, 0.0)),
        _change("failures", "", before, after, lambda run: float(run.load.total.failures)),
    ]
    names = {part.name: None for _, found in (*before, *after) for split in found.splits[:1] for part in split.parts}
    changes.extend(_of_parts(name, before, after) for name in names)
    first = before[0][1]
    return Comparison(
        Side(before[0][0].name, len(before), first),
        Side(after[0][0].name, len(after), after[0][1]),
        tuple(changes),
        first.gains,
        changes[0].after.middle,
    )


def _change(name: str, unit: str, before: Judged, after: Judged, of: Callable[[Run], float]) -> Change:
    return _held([of(each.run) for each, _ in before], [of(each.run) for each, _ in after], name, unit)


def _of_parts(name: str, before: Judged, after: Judged) -> Change:
    def seconds(judged: Judged) -> list[float]:
        wholes: list[Split] = [found.splits[0] for _, found in judged if found.splits]
        return [sum(part.seconds or 0.0 for part in each.parts if part.name == name) for each in wholes] or [0.0]

    return _held(seconds(before), seconds(after), f"mean, {name}", "s")


def _held(before: list[float], after: list[float], name: str, unit: str) -> Change:
    sides = [Spread(median(values), min(values), max(values)) for values in (before, after)]
    is_clear = None
    if len(before) > 1 and len(after) > 1:
        is_clear = sides[0].most < sides[1].least or sides[1].most < sides[0].least
    return Change(name, unit, sides[0], sides[1], is_clear)
