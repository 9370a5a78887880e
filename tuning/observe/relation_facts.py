"""What a plan depends on in the catalog of a server: data alone, so that who compares plans reaches no connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Index:
    definition: str
    is_valid: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """``rows`` is pg_class.reltuples, -1 where it was never analyzed; ``pages`` are those that the table has now.

    ``analyzed_at`` is an ISO 8601 time in UTC, empty where it never happened. Indexes go by their bare names.
    """

    rows: int
    pages: int
    changed_rows: int = 0
    analyzed_at: str = ""
    indexes: Mapping[str, Index] = field(default_factory=dict)
