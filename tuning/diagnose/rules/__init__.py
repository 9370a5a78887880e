"""The rules of a diagnosis: one question a file, the file's name its id, its docstring what `hotrow rules show` prints.

A rule is a module with ``check(run)``, which yields ``Found``, and ``NEEDS``: the keys of ``run.MISSING`` without which
it is skipped.
"""

from collections.abc import Callable, Iterable

from tuning import contract
from tuning.diagnose.findings import Found
from tuning.diagnose.run import Run

Check = Callable[[Run], Iterable[Found]]
Rule = contract.Rule[Check]


def load() -> tuple[Rule, ...]:
    """Find every rule of this package, in the order of their ids."""
    return contract.rules_of(__name__, __path__)
