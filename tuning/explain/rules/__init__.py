"""The rules for plans: one question a file, the file's name its id, its docstring what `hotrow rules show` prints.

A rule is a module with ``check(subject)``, which yields ``Found``, and ``NEEDS``: what it is skipped without, of
``plan``, ``actual`` (it was executed), ``timing``, ``blocks``, ``statistics`` (of a server), ``requests`` (a
capture that tells requests apart), ``before`` (an earlier plan). ``CONSEQUENCE_OF`` names the rules whose findings
explain its own, and where they stand; such a finding is told with its cause and not beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType

from tuning import contract
from tuning.explain.findings import Found, Place
from tuning.explain.subject import Subject

Check = Callable[[Subject], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule(contract.Rule[Check]):
    consequence_of: Mapping[str, Place]


def load() -> tuple[Rule, ...]:
    """Find every rule of this package, in the order of their ids."""
    return tuple(_rule(name, module) for name, module in contract.rule_modules(__name__, __path__))


def _rule(name: str, module: ModuleType) -> Rule:
    causes = {cause.replace("_", "-"): where for cause, where in getattr(module, "CONSEQUENCE_OF", {}).items()}
    return Rule(**contract.parts(name, module), consequence_of=causes)
