"""The kit's own rules: one question a file, the file's name its id, its docstring what `hotrow rules show` prints.

A rule is a module with ``check(action, script, facts)`` or ``check_script(script)`` for SQL, or
``check_python(migration)`` for a migration's source, each yielding ``Found``. One that sets ``NEEDS_FACTS`` is skipped
without a server, ``NEEDS_SESSIONS`` also where the role may not see other users' sessions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType

from tuning.contract import rule_modules, told
from tuning.migrations.actions import Action
from tuning.migrations.findings import Found
from tuning.migrations.python_source import PythonMigration
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

Check = Callable[[Action, Script, ServerFacts | None], Iterable[Found]]
PythonCheck = Callable[[PythonMigration], Iterable[Found]]
ScriptCheck = Callable[[Script], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """``when``, ``why`` and ``remedy`` are the sections of the module's docstring."""

    id: str
    title: str
    when: str
    why: str
    remedy: str
    check: Check | None
    check_python: PythonCheck | None
    check_script: ScriptCheck | None
    needs_facts: bool
    needs_sessions: bool


def load() -> tuple[Rule, ...]:
    """Find every rule of this package, in the order of their ids."""
    return tuple(_rule(name, module) for name, module in rule_modules(__name__, __path__))


def _rule(name: str, module: ModuleType) -> Rule:
    return Rule(
        id=name,
        **told(module.__doc__),
        check=getattr(module, "check", None),
        check_python=getattr(module, "check_python", None),
        check_script=getattr(module, "check_script", None),
        needs_facts=getattr(module, "NEEDS_FACTS", False) or getattr(module, "NEEDS_SESSIONS", False),
        needs_sessions=getattr(module, "NEEDS_SESSIONS", False),
    )
