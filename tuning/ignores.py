"""Findings that somebody looked at and accepts: by their key, with a reason, until a day."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Ignore:
    """``key`` may end in ``*``. From ``until`` on the finding counts again."""

    key: str
    reason: str
    until: date

    def covers(self, key: str) -> bool:
        return key.startswith(self.key[:-1]) if self.key.endswith("*") else key == self.key


class _Finding(Protocol):
    """A frozen dataclass with a key and an ``ignored``, the reason that the ignore file gives."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> str: ...


F = TypeVar("F", bound=_Finding)


def read(path: Path) -> tuple[Ignore, ...]:
    """Read a file of ``[[ignore]]`` tables with ``key``, ``reason`` and ``until``.

    Raises:
        ValueError: It is broken, or one of the three is missing.
        OSError: It cannot be read.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("ignore", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    found = []
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], 1):
        key, reason, until = (
            entry.get(name) if isinstance(entry, dict) else None for name in ("key", "reason", "until")
        )
        if not (isinstance(key, str) and key.strip("*") and isinstance(reason, str) and reason.strip()):
            raise ValueError(f"{path}: ignore {number} needs a key and a reason, as texts")
        if not isinstance(until, date):
            raise ValueError(f"{path}: ignore {number} needs until, a day such as 2027-01-31 without quotes")
        found.append(Ignore(key, reason, until))
    return tuple(found)


def covering(ignores: Iterable[Ignore], key: str, today: date) -> Ignore | None:
    """What covers a finding today."""
    return next((each for each in ignores if each.covers(key) and today < each.until), None)


def mark(ignores: Iterable[Ignore], finding: F, today: date) -> F:
    """The finding, with the reason if it is covered today."""
    found = covering(ignores, finding.key, today)
    return finding if found is None else replace(finding, ignored=found.reason)


def over(ignores: Iterable[Ignore], keys: Iterable[str], today: date) -> list[str]:
    """A sentence for each ignore that covered one of these findings and ended."""
    given = tuple(keys)
    return [
        f"the ignore of {each.key} ended on {each.until}: {each.reason}"
        for each in ignores
        if each.until <= today and any(map(each.covers, given))
    ]
