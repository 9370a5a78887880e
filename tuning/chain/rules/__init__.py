"""The rules of the chain: one question a file, the file's name its id, its docstring what `hotrow rules show` prints.

A rule is a module with ``check(chain)``, which yields ``Found``, and ``NEEDS``: the links without which it is skipped,
of ``project``, ``workers``, ``pooler``, ``server``, ``version`` (of PgBouncer), ``pooled`` (an alias uses it).
"""

from collections.abc import Callable, Iterable

from tuning import contract
from tuning.chain.findings import Found
from tuning.observe.chain import Chain

Check = Callable[[Chain], Iterable[Found]]
Rule = contract.Rule[Check]


def load() -> tuple[Rule, ...]:
    """Find every rule of this package, in the order of their ids."""
    return contract.rules_of(__name__, __path__)
