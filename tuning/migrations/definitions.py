"""Definitions of functions and indexes: as a server has them, and as it would write those of the files.

What a file says is made among the temporary objects of a transaction that is rolled back, so the
server writes both the same way. That needs the right TEMPORARY on the database and no other.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from tuning.migrations.files import FunctionFile, IndexFile

_HEAD = re.compile(r'(CREATE OR REPLACE (?:FUNCTION|PROCEDURE) )(?:[a-z_][a-z0-9_$]*|"[^"]+")\.')

_FUNCTIONS: LiteralString = """
SELECT p.proname::text, pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner)::text,
       p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0)
  FROM pg_proc AS p WHERE p.prokind IN ('f', 'p') AND p.pronamespace = {}
 ORDER BY p.proname, pg_get_function_identity_arguments(p.oid)
"""
_INDEX: LiteralString = """
SELECT pg_get_indexdef(i.indexrelid), i.indisvalid AND i.indisready AND i.indislive
  FROM pg_class AS c LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
 WHERE c.relname = %s AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %s)
"""
_TABLE: LiteralString = """
SELECT c.oid, quote_ident(n.nspname), quote_ident(c.relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)
"""


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the server writes it, without its schema."""

    name: str
    definition: str
    owner: str
    is_public: bool

    @property
    def lines(self) -> list[str]:
        may = "may" if self.is_public else "may not"
        return [*self.definition.strip().splitlines(), f"-- PUBLIC {may} execute it"]


@dataclass(frozen=True, slots=True)
class Index:
    definition: str
    is_valid: bool


@dataclass(frozen=True, slots=True)
class Table:
    oid: int
    schema: str
    name: str


def functions(connection: psycopg.Connection, schema: str | None) -> list[Function]:
    """All functions of a schema; None for the one that names without a schema are made in."""
    where = sql.SQL("coalesce(to_regnamespace({}), to_regnamespace(quote_ident(current_schema())))").format(schema)
    return _functions(connection, where)


def function_of(connection: psycopg.Connection, file: FunctionFile) -> Function:
    with _rolled_back(connection):
        connection.execute("SET LOCAL check_function_bodies = off")
        connection.execute(file.temporary.encode())
        return _functions(connection, sql.SQL("pg_my_temp_schema()"))[0]


def table(connection: psycopg.Connection, file: IndexFile) -> Table | None:
    row = connection.execute(_TABLE, [file.table]).fetchone()
    return None if row is None else Table(*row)


def index(connection: psycopg.Connection, file: IndexFile, on: Table) -> Index | None:
    row = connection.execute(_INDEX, [file.name, on.oid]).fetchone()
    return None if row is None else Index(row[0] or "-- it is no index", bool(row[1]))


def index_of(connection: psycopg.Connection, file: IndexFile, on: Table) -> Index:
    with _rolled_back(connection):
        connection.execute(f"CREATE TEMPORARY TABLE {on.name} (LIKE {on.schema}.{on.name})".encode())
        connection.execute(file.on(f"pg_temp.{on.name}").encode())
        row = connection.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass(%s)", [f"pg_temp.{on.name}"]
        ).fetchone()
    assert row is not None
    written = re.sub(
        rf" ON pg_temp(_[0-9]+)?\.{re.escape(on.name)} ", f" ON {on.schema}.{on.name} ", str(row[0]), count=1
    )
    return Index(written, True)


def _functions(connection: psycopg.Connection, schema: sql.Composable) -> list[Function]:
    rows = connection.execute(sql.SQL(_FUNCTIONS).format(schema)).fetchall()
    return [
        Function(name, _HEAD.sub(r"\1", definition, count=1), owner, is_public)
        for name, definition, owner, is_public in rows
    ]


@contextmanager
def _rolled_back(connection: psycopg.Connection) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        yield
