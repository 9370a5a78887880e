"""What a proof needs of the target: how it plans the workload now, and which tables that reads. It only reads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import psycopg

from tuning.explain import statistics_source
from tuning.explain.errors import Refused
from tuning.explain.execution import GENERIC_PLAN_SINCE, Server
from tuning.explain.plan import Plan
from tuning.explain.safety import called
from tuning.observe.metering import cursors
from tuning.observe.spent import Spent
from tuning.sql_tokens import tokenize
from tuning.whatif.candidate import quoted
from tuning.whatif.errors import Unproven
from tuning.whatif.query import Query

APPLICATION = "hotrow index"
_RELATIONS = """
    WITH RECURSIVE asked AS (
        SELECT to_regclass(name)::oid AS oid FROM unnest(%s::text[]) AS name
         UNION
        SELECT c.oid FROM pg_catalog.pg_class AS c
         WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p', 'm', 'f')),
    roots AS (SELECT CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END AS oid
                FROM asked JOIN pg_catalog.pg_class AS c USING (oid)),
    tree AS (SELECT oid FROM roots
              UNION SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits AS i ON i.inhparent = tree.oid)
    SELECT n.nspname::text, c.relname::text, c.relkind::text, greatest(c.reltuples, 0)::bigint,
           CASE WHEN c.relkind = 'p' THEN 0 ELSE pg_total_relation_size(c.oid) END,
           c.relallvisible >= c.relpages * %s, c.reltuples >= 0
      FROM tree JOIN pg_catalog.pg_class AS c USING (oid) JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
     ORDER BY 1, 2"""
_BODIES = """
    SELECT coalesce(p.prosrc, '') || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '')
      FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
     WHERE p.proname = ANY (%s) AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""
_RESOLVE = """
    SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'm')"""
# Functions that call functions that read tables: deeper ones are not followed.
_MAX_DEPTH = 4
# Where VACUUM has seen at least half of a table, its copy is vacuumed too; else index-only scans would look too good.
_VISIBLE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Relation:
    """``bytes`` are those of the table with its indexes and TOAST; ``kind`` is that of pg_class."""

    schema: str
    name: str
    kind: str
    rows: int
    bytes: int
    is_vacuumed: bool
    is_analyzed: bool

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def shown(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Planned:
    """One statement and the target's own plan of it; no plan where it is refused."""

    query: Query
    plan: Plan | None


def connect(dsn: str, spent: Spent) -> psycopg.Connection:
    """A connection that cannot write; what it costs the server is added to ``spent``."""
    connection = psycopg.connect(
        dsn, autocommit=True, connect_timeout=10, prepare_threshold=None, application_name=APPLICATION,
        client_encoding="utf8", cursor_factory=cursors(spent),
    )  # fmt: skip
    connection.read_only = True
    connection.execute("SET default_transaction_read_only = on")
    connection.execute("SET lock_timeout = '2s'")
    return connection


def plan_of(server: Server, query: Query) -> Plan:
    """Plan one statement without executing it.

    Raises:
        Refused: It calls what it should not.
        psycopg.Error: The server refuses it.
    """
    if query.is_open and server.version < GENERIC_PLAN_SINCE:
        return server.plan(server.sampled(query.sql, statistics_source.sampled)).plan
    return server.plan(query.sql, is_generic=query.is_open).plan


def planned(server: Server, queries: Iterable[Query], tell: Callable[[str], None]) -> list[Planned]:
    """Plan the workload on the target; what it refuses is marked with the reason."""
    found = []
    for query in queries:
        if query.refused:
            found.append(Planned(query, None))
            continue
        tell(f"planning {query.title[:60]}")
        try:
            found.append(Planned(query, plan_of(server, query)))
        except Refused as error:
            found.append(Planned(replace(query, refused=str(error)), None))
        except psycopg.Error as error:
            reason = (str(error).strip().splitlines() or [repr(error)])[0]
            found.append(Planned(replace(query, refused=f"PostgreSQL refuses it: {reason}"), None))
    return found


def relations(connection: psycopg.Connection, planned: Sequence[Planned], tables: Iterable[str]) -> list[Relation]:
    """The tables that the plans read, those that functions of the statements name, and ``tables``; partitions too."""
    plans = [each.plan for each in planned if each.plan is not None]
    names = {node.relation for plan in plans for node in plan.nodes if node.relation}
    written = {".".join(quoted(part) for part in name.split(".", 1)) for name in names} | set(tables)
    functions = {name for each in planned if each.plan for name in called(tokenize(each.query.sql))}
    words = _words(connection, functions)
    rows = connection.execute(_RELATIONS, [sorted(written), sorted(words), _VISIBLE_SHARE]).fetchall()
    return [Relation(*row) for row in rows]


def resolved(connection: psycopg.Connection, name: str) -> tuple[str, str]:
    """Schema and name of a table as SQL writes it.

    Raises:
        Unproven: There is none.
    """
    row = connection.execute(_RESOLVE, [name]).fetchone()
    if row is None:
        raise Unproven(f"the target has no table {name}")
    return row[0], row[1]


def _words(connection: psycopg.Connection, functions: set[str]) -> set[str]:
    """What the bodies of functions of the database's own name, and those of the functions that they call."""
    words: set[str] = set()
    seen: set[str] = set()
    for _ in range(_MAX_DEPTH):
        functions -= seen
        if not functions:
            break
        seen |= functions
        bodies = [row[0] for row in connection.execute(_BODIES, [sorted(functions)])]
        tokens = [token for body in bodies for token in tokenize(body)]
        words |= {token.identifier for token in tokens if token.kind in ("word", "quoted")}
        functions = set(called(tokens))
    return words
