"""The rules for plans that were accepted: one question a file; see ``check(comparison)`` in each."""

from collections.abc import Callable, Iterable

from tuning import contract
from tuning.explain.findings import Found
from tuning.plans.comparison import Comparison

Rule = contract.Rule[Callable[[Comparison], Iterable[Found]]]


def load() -> tuple[Rule, ...]:
    """Find every rule of this package, in the order of their ids."""
    return contract.rules_of(__name__, __path__)
