"""What a baseline holds: of each route and statement the plans that were accepted, and what they depended on."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Size:
    """``rows`` is the planner's count of a table, ``pages`` are those that its file had."""

    rows: int
    pages: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """One plan of a statement, with the values (in ``sql``) that it was made for.

    ``blocks`` are the shared blocks hit and read of the second run, None where it was only planned. ``rows`` are those
    that its scans yielded, over all loops. ``settings`` are those of the planner that differ from their defaults.
    """

    shape: str
    outline: tuple[str, ...]
    sql: str
    blocks: int | None
    rows: int
    cost: float
    settings: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Size] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement of one route; a value may have another plan than the next, so several may be accepted."""

    route: str
    fingerprint: str
    plans: tuple[Accepted, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.route, self.fingerprint

    @property
    def shapes(self) -> frozenset[str]:
        return frozenset(plan.shape for plan in self.plans)

    def for_values(self) -> dict[str, tuple[Accepted, ...]]:
        """The plans by the statement with its values."""
        found: dict[str, tuple[Accepted, ...]] = {}
        for plan in self.plans:
            found[plan.sql] = (*found.get(plan.sql, ()), plan)
        return found


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was at the last save: valid indexes with their definitions, and the age of its statistics.

    ``changed_rows`` are those since it was analyzed.
    """

    rows: int
    pages: int
    analyzed_at: str
    changed_rows: int
    indexes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Baseline:
    """``version`` is the server's, as ``server_version_num`` has it."""

    version: int
    entries: tuple[Entry, ...]
    tables: Mapping[str, Table]
