"""Run statements for the plans that a server makes of them now, as ``hotrow explain`` does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psycopg

from tuning.explain import statistics_source
from tuning.explain.errors import Locked, Refused, TimedOut
from tuning.explain.execution import GENERIC_PLAN_SINCE, Limits, Run, Server
from tuning.explain.node import SCANS
from tuning.explain.plan import Plan
from tuning.observe import plan_relations
from tuning.observe.relation_facts import Relation
from tuning.observe.statistics import TableStatistics
from tuning.plans.baseline import Accepted, Size

# A scan that joins another's in the middle of a table reads other pages each time until a LIMIT is reached.
_STEADY = {"synchronize_seqscans": "off"}
_SCANS = SCANS | {"Foreign Scan"}


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
        return round(sum(node.rows for node in self.plan.nodes if node.type in _SCANS))

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


def server(dsn: str, limits: Limits, *, allows_writes: bool) -> Server:
    """A connection for measuring.

    Raises:
        psycopg.Error: It does not answer.
    """
    return Server(dsn, limits, allows_writes=allows_writes, settings=_STEADY)


def measure(
    on: Server, sql: str, *, is_planned: bool, is_open: bool = False, tables: Iterable[str] = ()
) -> Measured | NotMeasured:
    """Execute a statement twice, or only plan it, and read what its plan depends on.

    Args:
        is_open: It has a ``$1`` without a value.
        tables: Further tables to read of, by the names that a plan has.

    Raises:
        psycopg.OperationalError: The connection is gone.
    """
    try:
        run, timed_out = _run(on, sql, is_planned=is_planned or is_open, is_open=is_open)
        names = {node.relation for node in run.plan.nodes if node.relation} | set(tables)
        relations = plan_relations.read(on.connection, names)
    except Refused as error:
        return NotMeasured(sql, str(error), is_failure=False)
    except psycopg.Error as error:
        # A conflict with a replica's replay, a lost connection and a missing privilege say nothing of the plan.
        is_failure = not isinstance(error, psycopg.OperationalError | psycopg.errors.InsufficientPrivilege)
        if on.connection.closed:
            raise
        return NotMeasured(sql, _first_line(error), is_failure)
    blocks = run.plan.touched_blocks if run.plan.was_executed else None
    return Measured(sql, run.plan, blocks, relations, run.tables, timed_out)


def _run(on: Server, sql: str, *, is_planned: bool, is_open: bool) -> tuple[Run, str]:
    if is_open and on.version < GENERIC_PLAN_SINCE:
        return on.plan(on.sampled(sql, statistics_source.sampled)), ""
    if is_planned:
        return on.plan(sql, is_generic=is_open), ""
    try:
        return on.explain(sql), ""
    except TimedOut as error:
        return on.plan(sql), str(error)
    except Locked:
        # Whoever changes a table's definition is done by the next time, or is said to hold it.
        return on.explain(sql), ""


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]
