"""Find the table that a file names, and make an empty copy that definitions can be tried on."""

import re
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from service.db.errors import WronglyUsed

IDENTIFIER = r'(?:[a-z_][a-z0-9_$]*|"[^"]+")'
QUALIFIED = rf"{IDENTIFIER}(?:\s*\.\s*{IDENTIFIER})?"
_PLAIN = re.compile(rf"{QUALIFIED}\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the server knows it; the names are quoted where they must be."""

    oid: int
    schema: str
    name: str
    is_partitioned: bool

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def copy(self) -> str:
        """What :func:`make_copy` makes: the same name, so that a definition reads the same."""
        return f"pg_temp.{self.name}"


def find(connection: BaseDatabaseWrapper, name: str) -> Table:
    """Find a table by its name, as SQL would write it.

    Raises:
        WronglyUsed: There is none.
    """
    if not _PLAIN.match(name):
        raise WronglyUsed(f"{name!r} is not the name of a table")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.oid, quote_ident(n.nspname), quote_ident(c.relname), c.relkind = 'p'"
            "  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE c.oid = pg_catalog.to_regclass(%s) AND c.relkind IN ('r', 'p', 'm')",
            [name],
        )
        row = cursor.fetchone()
    if row is None:
        raise WronglyUsed(f"there is no table {name}: is a migration missing among the dependencies?")
    return Table(*row)


def make_copy(cursor: CursorWrapper, table: Table, including: str = "") -> None:
    """Make the empty temporary copy; it takes ACCESS SHARE on the table, as a SELECT does."""
    cursor.execute(f"CREATE TEMPORARY TABLE {table.name} (LIKE {table.qualified} {including})")
