"""Sum up what was measured in several rounds: least, median and most, never a mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the median and the most of one figure over the rounds."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float], digits: int = 1) -> "Spread":
        """Sum up at least one value.

        Raises:
            ValueError: There is none.
        """
        if not values:
            raise ValueError("there is nothing to sum up")
        return cls(round(min(values), digits), round(median(values), digits), round(max(values), digits))


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread | None:
    """The ratios round by round; rounds in which the denominator is 0 say nothing and are left out."""
    found = [first / second for first, second in zip(above, below, strict=True) if second]
    return Spread.of(found, digits=2) if found else None


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; ``share`` is from 0 to 1.

    Raises:
        ValueError: There is no value.
    """
    if not values:
        raise ValueError("there is nothing to rank")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]
