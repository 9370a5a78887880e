"""The rules for a server: one question a file, the file's name its id, its docstring what `hotrow rules show` prints.

A rule is a module with ``check(subject)``, which yields ``Found``, and ``NEEDS``: the parts of a snapshot without which
it is skipped, or ``captures``. ``WEIGHT`` ranks findings of one outcome: 3 where the service stops or
data is in danger, 2 where requests are slow for it, 1 for what costs room or context.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tuning import contract
from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject

Check = Callable[[Subject], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule(contract.Rule[Check]):
    weight: int


def load() -> tuple[Rule, ...]:
    """Find every rule of this package, in the order of their ids."""
    return tuple(
        Rule(**contract.parts(name, module), weight=module.WEIGHT)
        for name, module in contract.rule_modules(__name__, __path__)
    )
