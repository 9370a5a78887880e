"""Index files: what one says, what the server has under its name, and whether that is the same."""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from django.db.backends.base.base import BaseDatabaseWrapper

from service.db import manifest, sqlfiles, tables
from service.db.errors import DefinitionDiffers, WronglyUsed
from service.db.sessions import rolled_back
from service.db.tables import QUALIFIED, Table

_INDEX = re.compile(
    r"CREATE\s+(?P<unique>UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?P<name>[a-z_][a-z0-9_]*)"
    rf"\s+ON\s+(?P<table>{QUALIFIED})\s*(?P<rest>(?:USING\b|\().*)",
    re.IGNORECASE | re.DOTALL,
)


class State(Enum):
    """What the server has of an index."""

    MISSING = "missing"
    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class IndexFile:
    """The one statement of a file of ``indexes/``, in its parts."""

    name: str
    statement: str
    table: str
    unique: str
    rest: str

    def on(self, table: str) -> str:
        """The same index on another table, built at once."""
        return f"CREATE {self.unique}INDEX {self.name} ON {table} {self.rest}"


def read(path: str) -> IndexFile:
    """Read a listed file.

    Raises:
        WronglyUsed: It holds anything but one CREATE INDEX CONCURRENTLY of its own name.
        NotListed: It is not what the manifest lists.
    """
    found = sqlfiles.statements(manifest.read(path))
    match = _INDEX.match(found[0]) if len(found) == 1 else None
    name = PurePosixPath(path).stem
    if match is None or match["name"] != name:
        raise WronglyUsed(
            f"{path} must hold one statement, CREATE [UNIQUE] INDEX CONCURRENTLY {name} ON ..., without IF NOT EXISTS"
        )
    return IndexFile(name, found[0], match["table"], match["unique"] or "", match["rest"])


def state(connection: BaseDatabaseWrapper, file: IndexFile, table: Table) -> State:
    """What the server has under the name of the file.

    Raises:
        DefinitionDiffers: Another index, or something that is none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid AND i.indisready AND i.indislive"
            "  FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid"
            " WHERE c.relname = %s"
            "   AND c.relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = %s)",
            [file.name, table.oid],
        )
        row = cursor.fetchone()
    if row is None:
        return State.MISSING
    found, is_valid = row
    wanted = _definition(connection, file, table)
    if found != wanted:
        raise DefinitionDiffers(
            f"the index {file.name} is there with another definition\n  on the server: {found or 'it is no index'}\n"
            f"  in the file:   {wanted}\nDrop or rename that one, or give the new one another name"
        )
    return State.VALID if is_valid else State.INVALID


def builders(connection: BaseDatabaseWrapper, file: IndexFile, table: Table) -> list[int]:
    """The server processes that build this index now, or may: the target of other roles' builds is hidden."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index AS p"
            "  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = p.index_relid"
            " WHERE p.datname = pg_catalog.current_database()"
            "   AND (p.relid IS NULL OR p.relid = %s AND coalesce(c.relname, %s) = %s)",
            [table.oid, file.name, file.name],
        )
        return [row[0] for row in cursor.fetchall()]


def _definition(connection: BaseDatabaseWrapper, file: IndexFile, table: Table) -> str:
    """How the server would write the index of the file: built on an empty copy, which does not stay."""
    with rolled_back(connection) as cursor:
        tables.make_copy(cursor, table)
        # Without parameters psycopg sends the text as it is: a % in it stays a %.
        cursor.execute(file.on(table.copy), None)
        cursor.execute(
            "SELECT pg_catalog.pg_get_indexdef(indexrelid) FROM pg_catalog.pg_index"
            " WHERE indrelid = pg_catalog.to_regclass(%s)",
            [table.copy],
        )
        written = str(cursor.fetchone()[0])
    return re.sub(rf" ON pg_temp(_[0-9]+)?\.{re.escape(table.name)} ", f" ON {table.qualified} ", written, count=1)
