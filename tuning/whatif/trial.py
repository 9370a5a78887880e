"""One look at a statement in the copy: what it costs with the indexes that are there now."""

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from tuning.explain.errors import Refused
from tuning.explain.execution import Server
from tuning.explain.plan import Plan
from tuning.whatif.query import Query
from tuning.whatif.target import plan_of


@dataclass(frozen=True, slots=True)
class Look:
    """``blocks`` (shared hit and read) and ``ms`` are None where it was planned and not executed."""

    query: Query
    blocks: int | None = None
    cost: float = 0.0
    ms: float | None = None
    shape: str = ""
    indexes: frozenset[str] = frozenset()
    refused: str = ""

    @property
    def measure(self) -> float:
        """What is compared: blocks where it was executed, else the planner's cost."""
        return self.cost if self.blocks is None else self.blocks

    @property
    def unit(self) -> str:
        return "cost" if self.blocks is None else "blocks"


def look(server: Server, query: Query, *, executes: bool = True, writes: bool = False) -> Look:
    """Execute a statement twice and keep the second run; what writes, or has open values, is only planned.

    Raises:
        psycopg.OperationalError: The copy is gone.
    """
    try:
        if not executes or query.is_open or (query.is_write and not writes):
            return _seen(query, plan_of(server, query))
        return _seen(query, server.explain(query.sql).plan)
    except Refused as error:
        return Look(query, refused=str(error))
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        return Look(query, refused=(str(error).strip().splitlines() or [repr(error)])[0])


def looks(server: Server, queries: Iterable[Query], *, writes: bool) -> list[Look]:
    return [look(server, each, writes=writes) for each in queries]


def _seen(query: Query, plan: Plan) -> Look:
    return Look(
        query,
        blocks=plan.touched_blocks if plan.was_executed and plan.has_blocks else None,
        cost=plan.root.total_cost,
        ms=plan.total_ms if plan.was_executed else None,
        shape=plan.shape,
        indexes=frozenset(node.index for node in plan.nodes if node.index),
    )
