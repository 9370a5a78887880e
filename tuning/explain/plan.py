"""A whole plan: its nodes, who stands above whom, and each node's own share of time and blocks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from tuning.explain.attribution import Figures, attribute
from tuning.explain.node import Node

# PostgreSQL prints rows with two places from this version on; before, a loop that averages below 0.5 reads 0.
FRACTIONAL_ROWS_SINCE = 18
_SUBQUERIES = ("InitPlan", "SubPlan", "Subquery")


@dataclass(frozen=True, eq=False)
class Plan:
    """``planning_ms`` and ``execution_ms`` are None where EXPLAIN did not print them.

    ``settings`` are those that differ from their defaults, ``jit`` and ``triggers`` as PostgreSQL prints them.
    """

    root: Node
    planning_ms: float | None = None
    execution_ms: float | None = None
    query: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    jit: Mapping[str, Any] = field(default_factory=dict)
    triggers: tuple[Mapping[str, Any], ...] = ()
    planning: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.root.walk())

    @cached_property
    def _parents(self) -> dict[int, Node]:
        return {child.id: node for node in self.nodes for child in node.children}

    @cached_property
    def _figures(self) -> dict[int, Figures]:
        return attribute(self.root)

    def parent(self, node: Node) -> Node | None:
        return self._parents.get(node.id)

    def above(self, node: Node) -> Iterator[Node]:
        """The nodes above, nearest first."""
        while (up := self._parents.get(node.id)) is not None:
            yield up
            node = up

    def own(self, node: Node) -> Figures:
        """Time and blocks of the node without what is below it."""
        return self._figures[node.id]

    @property
    def was_executed(self) -> bool:
        return self.root.loops is not None

    @property
    def has_timing(self) -> bool:
        return self.root.total_ms is not None

    @cached_property
    def has_blocks(self) -> bool:
        return any("Shared Hit Blocks" in node.properties for node in self.nodes)

    @cached_property
    def has_fractions(self) -> bool:
        """Whether rows were printed with decimals, so that an average below one is told."""
        return any(node.properties.get("Has Fractions") is True for node in self.nodes)

    @property
    def total_ms(self) -> float:
        """How long it ran; of the root where EXPLAIN printed no sum."""
        return self.execution_ms if self.execution_ms is not None else self.root.wall_ms

    @property
    def touched_blocks(self) -> int:
        return self.root.blocks.touched

    def share(self, node: Node) -> float:
        """Which part of the time the node and everything below it took; 1.0 where no time was measured."""
        return min(1.0, node.wall_ms / self.total_ms) if self.has_timing and self.total_ms > 0 else 1.0

    def own_share(self, node: Node) -> float:
        return min(1.0, self.own(node).ms / self.total_ms) if self.has_timing and self.total_ms > 0 else 0.0

    @cached_property
    def shape(self) -> str:
        """A hash of which nodes stand where over which tables and indexes; figures and values are no part of it."""
        lines = (" ".join(map(str, (depth, *_parts(node)))) for depth, node in self._depths())
        return sha256("\n".join(lines).encode()).hexdigest()[:12]

    @cached_property
    def outline(self) -> tuple[str, ...]:
        """What the shape is a hash of, as lines that a person reads."""
        return tuple(f"{'  ' * depth}{_line(*_parts(node))}" for depth, node in self._depths())

    def _depths(self) -> Iterator[tuple[int, Node]]:
        return ((sum(1 for _ in self.above(node)), node) for node in self.nodes)


def _parts(node: Node) -> tuple[str, str, str, str, str, str]:
    return (
        node.type,
        node.text("Join Type"),
        node.text("Strategy"),
        node.relation,
        node.index,
        node.relationship,
    )


def _line(kind: str, join: str, strategy: str, relation: str, index: str, relationship: str) -> str:
    words = [kind]
    words += [f"({join})"] if join and join != "Inner" else []
    words += [f"[{strategy}]"] if strategy and strategy != "Plain" else []
    words += [f"using {index}"] if index else []
    words += [f"on {relation}"] if relation else []
    words += [f"as {relationship}"] if relationship in _SUBQUERIES else []
    return " ".join(words)
