"""What running a statement yields: its plan and what that depends on, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuning.explain.node import SCANS
from tuning.explain.plan import Plan
from tuning.observe.relation_facts import Relation
from tuning.observe.statistics import TableStatistics
from tuning.plans.baseline import Accepted, Size


@dataclass(frozen=True, slots=True)
class Measured:
    """One plan of a server. ``blocks`` is None where it was only planned; ``timed_out`` says so of the execution."""

    sql: str
    plan: Plan
    blocks: int | None
    relations: Mapping[str, Relation] = field(default_factory=dict)
    statistics: Mapping[str, TableStatistics] = field(default_factory=dict)
    timed_out: str = ""

    @property
    def rows(self) -> int:
        """What the scans yielded, over all loops and processes."""
        return round(sum(node.rows for node in self.plan.nodes if node.type in SCANS))

    @property
    def heap_fetches(self) -> int:
        """Rows that index-only scans had to look up in the table, because no VACUUM has seen their pages since."""
        return round(sum(node.total("Heap Fetches") for node in self.plan.nodes))

    def accepted(self) -> Accepted:
        names = {node.relation for node in self.plan.nodes if node.relation}
        return Accepted(
            shape=self.plan.shape,
            outline=self.plan.outline,
            sql=self.sql,
            blocks=self.blocks,
            rows=self.rows,
            cost=round(self.plan.root.total_cost, 2),
            settings=dict(self.plan.settings),
            tables={
                name: Size(relation.rows, relation.pages) for name, relation in self.relations.items() if name in names
            },
        )


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """``is_failure`` where the server refuses the statement; else it could not be said this time."""

    sql: str
    reason: str
    is_failure: bool
