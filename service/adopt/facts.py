"""What the server says of the project's tables."""

from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    is_nullable: bool
    has_default: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``references`` maps a column with a foreign key to the table that it leads to."""

    schema: str
    name: str
    owner: str
    is_mine: bool
    columns: dict[str, Column]
    references: dict[str, str]
    fillfactor: str | None
    rows_estimated: int

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


_TABLE = """
    SELECT c.oid, n.nspname, c.relname, pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'),
           (SELECT o.option_value FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'fillfactor'),
           greatest(c.reltuples, 0)::bigint
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = to_regclass(quote_ident(%s)) AND c.relkind IN ('r', 'p')"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, NULL), NOT a.attnotnull, a.atthasdef OR a.attidentity <> ''
      FROM pg_attribute AS a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_REFERENCES = """
    SELECT a.attname, r.relname
      FROM pg_constraint AS k
      JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
      JOIN pg_class AS r ON r.oid = k.confrelid
     WHERE k.conrelid = %s AND k.contype = 'f' AND cardinality(k.conkey) = 1"""


def rows(connection: BaseDatabaseWrapper, statement: str | sql.Composable, values: Any = None) -> list[tuple[Any, ...]]:
    """Run one query and fetch all of it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def value(connection: BaseDatabaseWrapper, statement: str | sql.Composable, values: Any = None) -> Any:
    """The first column of the first row; None without a row."""
    found = rows(connection, statement, values)
    return found[0][0] if found else None


def table(connection: BaseDatabaseWrapper, name: str) -> Table | None:
    """Look a table up on the search path; None where there is none of that name."""
    found = rows(connection, _TABLE, [name])
    if not found:
        return None
    oid, schema, relname, owner, is_mine, fillfactor, estimated = found[0]
    columns = {row[0]: Column(*row) for row in rows(connection, _COLUMNS, [oid])}
    references = dict(rows(connection, _REFERENCES, [oid]))
    return Table(schema, relname, owner, is_mine, columns, references, fillfactor, estimated)


def kind(connection: BaseDatabaseWrapper, name: str) -> str | None:
    """pg_class.relkind of a relation of the schema public; None without one."""
    found = value(
        connection,
        "SELECT relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = %s",
        [name],
    )
    return str(found) if found is not None else None
