"""The copy of a proof: on a server of the tool's own, or of a database on a server that is named."""

import secrets as chance
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tuning.explain.execution import Limits, Server
from tuning.observe.spent import Spent
from tuning.whatif import copying, scratch, target
from tuning.whatif.candidate import quoted
from tuning.whatif.copying import Bounds
from tuning.whatif.target import Planned, Relation
from tuning.whatif.workload import Asked, read


@dataclass(frozen=True, slots=True)
class Where:
    """Where the target is and where its copy may be made; ``limits`` bound each statement."""

    dsn: str
    scratch_dsn: str | None = None
    postgres_bin: Path | None = None
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Opened:
    """A copy: its address, the workload as the target plans it, the tables in it, and how it differs."""

    dsn: str
    planned: Sequence[Planned]
    relations: Sequence[Relation]
    notes: list[str]


@contextmanager
def opened(
    where: Where, asked: Asked, tables: Sequence[str], tell: Callable[[str], None], spent: Spent
) -> Iterator[Opened]:
    """Read the workload, plan it on the target, and copy what it is about; the copy is gone after the block.

    Args:
        spent: What it costs the target is added to this.

    Raises:
        Unproven: There is no workload, or the copy cannot be had.
        psycopg.Error: A server does not answer or refuses.
    """
    with Server(where.dsn, where.limits, allows_writes=False, spent=spent) as server:
        tell("reading the statements")
        queries, notes = read(asked, where.dsn, server.composed, spent=spent)
        planned = target.planned(server, queries, tell)
    with target.connect(where.dsn, spent) as connection:
        major = connection.info.server_version // 10000
        names = [".".join(quoted(part) for part in target.resolved(connection, name)) for name in tables]
        relations = target.relations(connection, planned, names)
    planned = [_refused(each, relations) for each in planned]
    if where.scratch_dsn is not None:
        with _template(where.scratch_dsn, tell) as dsn:
            yield Opened(dsn, planned, relations, notes)
        return
    copying.refuse_too_large(relations, where.bounds)
    programs = scratch.programs(major, where.postgres_bin)
    with (
        scratch.server(programs, tell) as empty,
        copying.from_target(where.dsn, relations, empty, where.bounds, tell, spent) as (dsn, told),
    ):
        yield Opened(dsn, planned, relations, notes + told)


def _refused(planned: Planned, relations: Sequence[Relation]) -> Planned:
    """A statement that reads what is not copied would find it empty: it takes no part."""
    if planned.plan is None:
        return planned
    kinds = {"m": "the materialized view", "f": "the foreign table"}
    read = {node.relation for node in planned.plan.nodes}
    for each in relations:
        if each.kind in kinds and each.shown in read:
            return Planned(replace(planned.query, refused=f"{kinds[each.kind]} {each.shown} is not copied"), None)
    return planned


@contextmanager
def _template(dsn: str, tell: Callable[[str], None]) -> Iterator[str]:
    """A copy of the named database on its own server, which nobody else may use meanwhile."""
    name = f"hotrow_copy_{chance.token_hex(6)}"
    with psycopg.connect(dsn) as connection:
        source = connection.info.dbname
    maintenance = make_conninfo(dsn, dbname="postgres" if source != "postgres" else "template1")
    with psycopg.connect(maintenance, autocommit=True, prepare_threshold=None) as connection:
        tell(f"copying the database {source} of the scratch server")
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
            )
            yield make_conninfo(dsn, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
