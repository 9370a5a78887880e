"""The rules of the chain: one question a file, the file's name its id, its docstring what `hotrow rules show` prints.

A rule is a module with ``check(chain)``, which yields ``Found``, and ``NEEDS``: the links without which it is skipped,
of ``project``, ``workers``, ``pooler``, ``server``, ``version`` (of PgBouncer), ``pooled`` (an alias uses it).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tuning.chain.findings import Found
from tuning.contract import rule_modules, told
from tuning.observe.chain import Chain

Check = Callable[[Chain], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """``when``, ``why`` and ``remedy`` are the sections of the module's docstring."""

    id: str
    title: str
    when: str
    why: str
    remedy: str
    needs: tuple[str, ...]
    check: Check


def load() -> tuple[Rule, ...]:
    """Find every rule of this package, in the order of their ids."""
    return tuple(
        Rule(id=name, **told(module.__doc__), needs=module.NEEDS, check=module.check)
        for name, module in rule_modules(__name__, __path__)
    )
