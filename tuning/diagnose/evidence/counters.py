"""What a counter grew by, from samples of its total."""

from collections.abc import Iterable, Sequence
from itertools import pairwise


def growth(totals: Sequence[float]) -> float:
    """The sum of its steps; a total that fell was reset, by a restart, and what it shows since then counts."""
    return sum(late - early if late >= early else late for early, late in pairwise(totals))


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean, 0 of nothing."""
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def median(values: Iterable[float]) -> float:
    """The middle value, 0 of nothing."""
    found = sorted(values)
    return found[len(found) // 2] if found else 0.0
