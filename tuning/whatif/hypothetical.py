"""Ask HypoPG on the target what the planner would make of an index that does not exist; nothing is built.

Its indexes are the session's own, survive a ROLLBACK and end with hypopg_reset; only plain EXPLAIN sees them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from tuning.explain.errors import Refused
from tuning.explain.execution import Limits, Server
from tuning.observe.spent import Spent
from tuning.whatif.definition import Definition
from tuning.whatif.query import Query
from tuning.whatif.target import plan_of

# HypoPG's documentation, Usage: what it can pretend to have.
METHODS = frozenset({"btree", "brin", "hash", "bloom"})


@dataclass(frozen=True, slots=True)
class Costs:
    """The planner's cost of one statement on the target, without and with the index."""

    query: Query
    without: float
    with_it: float


def hypothetical(
    dsn: str, limits: Limits, definitions: Sequence[Definition], queries: Iterable[Query], spent: Spent
) -> tuple[Mapping[str, tuple[Costs, ...]], list[str]]:
    """The costs by the name of the index, those of statements that it changes; empty where HypoPG is not there."""
    with Server(dsn, limits, allows_writes=False, spent=spent) as server:
        connection = server.connection
        row = connection.execute(
            "SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n"
            " ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'"
        ).fetchone()
        if row is None:
            return {}, []
        schema = '"' + row[0].replace('"', '""') + '"'
        notes = []
        found: dict[str, tuple[Costs, ...]] = {}
        without = {each: cost for each in queries if (cost := _cost(server, each)) is not None}
        for each in definitions:
            if each.candidate.method not in METHODS:
                notes.append(f"HypoPG knows no {each.candidate.method} index: {each.name} is tried in the copy alone")
                continue
            try:
                connection.execute(f"SELECT {schema}.hypopg_create_index(%s)".encode(), [each.sql(concurrently=False)])
                after = {query: _cost(server, query) for query in without}
                found[each.name] = tuple(
                    Costs(query, cost, now)
                    for query, cost in without.items()
                    if (now := after[query]) is not None and now != cost
                )
            except psycopg.Error as error:
                notes.append(f"HypoPG refuses {each.name}: {str(error).strip().splitlines()[0]}")
            finally:
                connection.execute(f"SELECT {schema}.hypopg_reset()".encode())
        return found, notes


def _cost(server: Server, query: Query) -> float | None:
    try:
        return plan_of(server, query).root.total_cost
    except (Refused, psycopg.Error):
        return None
