"""What every rule of the kit has in common: its outcomes, and the sections of its docstring that tell of it."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any, Generic, TypeVar

SECTIONS = ("When", "Why", "Remedy")
_HEADS = "|".join(SECTIONS)
Check = TypeVar("Check", bound=Callable[..., Iterable[Any]])
_SECTION = re.compile(rf"^({_HEADS}): (.*?)(?=^(?:{_HEADS}): |\Z)", re.MULTILINE | re.DOTALL)


class Outcome(StrEnum):
    OK = "OK"
    SKIP = "SKIP"
    WARN = "WARN"
    FAIL = "FAIL"

    @property
    def weight(self) -> int:
        return list(Outcome).index(self)


@dataclass(frozen=True, slots=True)
class Rule(Generic[Check]):
    """``when``, ``why`` and ``remedy`` are sections of its module's docstring; it is skipped without its ``needs``."""

    id: str
    title: str
    when: str
    why: str
    remedy: str
    needs: tuple[str, ...]
    check: Check


def told(docstring: str | None) -> dict[str, str]:
    """The title, ``when``, ``why`` and ``remedy`` of a rule's module; empty where it does not say."""
    title, _, body = (docstring or "").strip().partition("\n")
    sections = dict(_SECTION.findall(body))
    return {"title": title} | {name.lower(): " ".join(sections.get(name, "").split()) for name in SECTIONS}


def rule_modules(package: str, path: Iterable[str]) -> Iterator[tuple[str, ModuleType]]:
    """Each module of a package of rules with the rule's id, in the order of the ids."""
    for name in sorted(module.name for module in pkgutil.iter_modules(path)):
        yield name.replace("_", "-"), importlib.import_module(f"{package}.{name}")


def parts(name: str, module: ModuleType) -> dict[str, Any]:
    """What a module with ``check`` and ``NEEDS`` gives to its ``Rule``."""
    return {"id": name, **told(module.__doc__), "needs": module.NEEDS, "check": module.check}


def rules_of(package: str, path: Iterable[str]) -> tuple[Rule[Any], ...]:
    """Find every rule of a package, in the order of their ids."""
    return tuple(Rule(**parts(name, module)) for name, module in rule_modules(package, path))
