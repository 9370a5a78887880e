"""One node of a plan, with its figures as PostgreSQL means them: per loop where it averages, summed where it sums."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SCANS = frozenset({"Seq Scan", "Sample Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"})
INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan"})
JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
GATHERS = frozenset({"Gather", "Gather Merge"})
# Expressions of a node that pick rows; what it prints with VERBOSE is in Output.
CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond", "TID Cond", "Order By")


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks over all loops and processes; ``read_ms`` is the time spent waiting for reads, where it was tracked."""

    hit: int = 0
    read: int = 0
    dirtied: int = 0
    written: int = 0
    local: int = 0
    temp: int = 0
    read_ms: float = 0.0

    @property
    def touched(self) -> int:
        return self.hit + self.read

    def less(self, other: "Blocks") -> "Blocks":
        """What is left without ``other``; never below zero, since counters of workers arrive late."""
        return Blocks(
            *(max(0, mine - theirs) for mine, theirs in zip(self._figures(), other._figures(), strict=True))  # type: ignore[arg-type]
        )

    def _figures(self) -> tuple[float, ...]:
        return (self.hit, self.read, self.dirtied, self.written, self.local, self.temp, self.read_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """``id`` counts from 0 in the order of EXPLAIN's lines.

    ``rows_per_loop``, ``total_ms`` and ``startup_ms`` are averages of one loop, as PostgreSQL prints them; None where
    the plan was not executed, and the times also with TIMING OFF. ``processes`` is how many processes ran the node.
    """

    id: int
    type: str
    properties: Mapping[str, Any]
    children: tuple["Node", ...] = ()
    plan_rows: float = 0.0
    plan_width: int = 0
    startup_cost: float = 0.0
    total_cost: float = 0.0
    rows_per_loop: float | None = None
    startup_ms: float | None = None
    total_ms: float | None = None
    loops: int | None = None
    processes: int = 1
    blocks: Blocks = field(default_factory=Blocks)

    @property
    def relationship(self) -> str:
        """How the parent uses it: Outer, Inner, Subquery, Member, InitPlan or SubPlan; empty for the root."""
        return str(self.properties.get("Parent Relationship", ""))

    @property
    def relation(self) -> str:
        """The table, with its schema where VERBOSE told it; empty where the node reads none."""
        name = str(self.properties.get("Relation Name", ""))
        schema = self.properties.get("Schema")
        return f"{schema}.{name}" if schema and name else name

    @property
    def alias(self) -> str:
        return str(self.properties.get("Alias", ""))

    @property
    def index(self) -> str:
        return str(self.properties.get("Index Name", ""))

    @property
    def was_executed(self) -> bool:
        return bool(self.loops)

    @property
    def rows(self) -> float:
        """Rows over all loops: multiplied before anything is rounded."""
        return (self.rows_per_loop or 0.0) * (self.loops or 0)

    @property
    def wall_ms(self) -> float:
        """Time over all loops as the clock on the wall saw it: processes of a parallel part run beside each other."""
        return (self.total_ms or 0.0) * (self.loops or 0) / self.processes

    def total(self, name: str) -> float:
        """A count that PostgreSQL averages over loops, such as Rows Removed by Filter, over all of them."""
        return self.number(name) * (self.loops or 0)

    def number(self, name: str) -> float:
        """A figure of the node as it was printed; 0 where it is absent or no number."""
        value = self.properties.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

    def summed(self, name: str) -> float:
        """A figure of the leader and of each worker, added."""
        return self.number(name) + sum(
            float(worker[name]) for worker in self.workers if isinstance(worker.get(name), int | float)
        )

    def largest(self, name: str) -> float:
        """A figure of whichever process has most of it."""
        return max([self.number(name), *(float(w[name]) for w in self.workers if isinstance(w.get(name), int | float))])

    def text(self, name: str) -> str:
        value = self.properties.get(name)
        return value if isinstance(value, str) else ""

    @property
    def workers(self) -> list[Mapping[str, Any]]:
        found = self.properties.get("Workers")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    @property
    def conditions(self) -> str:
        return " ".join(text for name in CONDITIONS if (text := self.text(name)))

    def walk(self) -> Iterator["Node"]:
        """The node and all below it, in the order of EXPLAIN's lines."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)

    @property
    def label(self) -> str:
        """The node as a person names it: ``Index Scan using i on t``."""
        about = self.relation or self.text("CTE Name") or self.text("Function Name")
        by = f" using {self.index}" if self.index and self.type != "Bitmap Index Scan" else ""
        on = about or (self.index if self.type == "Bitmap Index Scan" else "")
        named = f" on {on}" if on else ""
        alias = f" {self.alias}" if on and self.alias and self.alias != on.rpartition(".")[2] else ""
        join = self.text("Join Type")
        kind = f"{self.type} ({join})" if join and join != "Inner" else self.type
        kind = f"Parallel {kind}" if self.properties.get("Parallel Aware") is True else kind
        return f"{kind}{by}{named}{alias}"
