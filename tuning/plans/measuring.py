"""Run statements for the plans that a server makes of them now, as ``hotrow explain`` does."""

from collections.abc import Iterable

import psycopg

from tuning.explain import statistics_source
from tuning.explain.errors import Locked, Refused, TimedOut
from tuning.explain.execution import GENERIC_PLAN_SINCE, Limits, Run, Server
from tuning.observe import plan_relations
from tuning.plans.measured import Measured, NotMeasured

# A scan that joins another's in the middle of a table reads other pages each time until a LIMIT is reached.
_STEADY = {"synchronize_seqscans": "off"}


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
