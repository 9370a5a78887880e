"""What is known of a table, and what can be asked of it, without saying who answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tuning.whatif.candidate import quoted


@dataclass(frozen=True, slots=True)
class Column:
    type: str
    correlation: float
    width: int
    sorts_by_bytes: bool


@dataclass(slots=True)
class Table:
    """``visible`` is the share of pages that index-only scans need not look at; ``indexes`` are (name, method,
    predicate, keys)."""

    schema: str
    name: str
    rows: float
    pages: int
    visible: float
    updates: int
    hot_updates: int
    root: str
    columns: dict[str, Column]
    indexes: tuple[tuple[str, str, str, tuple[str, ...]], ...]
    selectivities: dict[tuple[str, ...], float] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"


class Estimates(Protocol):
    """What the planner and the catalog answer; see ``table_facts.Facts``."""

    trigram_schema: str | None

    def selectivity(self, table: Table, texts: Iterable[str]) -> float:
        """The share of the rows (0 to 1) that these conditions leave."""

    def join_selectivity(self, table: Table, key: str) -> float:
        """The share of the rows that have one value of the key, on average."""

    def is_immutable(self, table: Table, key: str, columns: Sequence[str], called: Iterable[str]) -> bool:
        """Whether an index may hold the expression."""
