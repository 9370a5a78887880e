"""Whether a map fits the project: its tables, their columns and types, and their rows."""

from dataclasses import dataclass

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from service.adopt import facts, naming, translation
from service.adopt.errors import AdoptionError
from service.adopt.facts import Table
from service.adopt.mapping import Map

# Ids and counts: what the functions compute with.
_INTEGERS = {"smallint", "integer", "bigint"}
_NAMES = (
    *("product_stock", "product", "warehouse", "stock_reservation", "stock_transaction", "stock_payment"),
    *("stock_outbox", "stock_unit", "stock_user_total", "stock_waitlist"),
)
_OLDEST_SERVER = 150000
# Short enough that a reservation of one of its rows waits for milliseconds.
BATCH_ROWS = 500
RECORD = "hotrow_adoption"
"""The table that keeps the map of what was begun."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A map and the tables that it names; ``warnings`` are what an operator should know before."""

    mapping: Map
    counter: Table
    product: Table
    warehouse: Table | None
    warnings: tuple[str, ...] = ()

    @property
    def is_behind(self) -> str:
        """The condition of rows whose free units the kit does not know yet."""
        return "hotrow_available <> " + translation.free(self.mapping).as_string(None)

    @property
    def backfill(self) -> str:
        """One batch: rows behind, after an id; an empty change, the trigger does the work. Returns the last id."""
        return self._batch("SKIP LOCKED")

    @property
    def stragglers(self) -> str:
        """The same for one row that is locked at each look; a lock on one row alone cannot deadlock."""
        return self._batch("", rows=1)

    def _batch(self, wait: str, rows: int = BATCH_ROWS) -> str:
        return (
            sql.SQL(
                "WITH batch AS (SELECT {id} FROM {table} WHERE {id} > %s AND {behind} ORDER BY {id} LIMIT {rows}"
                " FOR NO KEY UPDATE {wait}),"
                " done AS (UPDATE {table} AS c SET hotrow_sold = c.hotrow_sold FROM batch WHERE c.{id} = batch.{id}"
                " RETURNING c.{id}) SELECT max({id}), count(*) FROM done"
            )
            .format(
                id=sql.Identifier(self.mapping.counter.id),
                table=self.counter.identifier,
                behind=sql.SQL(self.is_behind),
                rows=sql.Literal(rows),
                wait=sql.SQL(wait),
            )
            .as_string(None)
        )


def inspect(connection: BaseDatabaseWrapper, mapping: Map) -> Adopted:
    """Compare a map with the server.

    Raises:
        AdoptionError: Something does not fit; the message names each table and column, and what is there.
    """
    if connection.vendor != "postgresql":
        raise AdoptionError(f"the database is {connection.vendor}; the functions are PostgreSQL's")
    if (version := facts.value(connection, "SELECT current_setting('server_version_num')::int")) < _OLDEST_SERVER:
        raise AdoptionError(f"the server is PostgreSQL {version // 10000}; 15 and newer are supported")
    if facts.value(connection, "SELECT current_schema()") != "public":
        raise AdoptionError("the functions live in the schema public: make it the first on the role's search_path")
    wrong: list[str] = []
    counter = _table(connection, mapping.counter.table, "counter", wrong)
    product = _table(connection, mapping.product.table, "product", wrong)
    warehouse = _table(connection, mapping.warehouse.table, "warehouse", wrong) if mapping.warehouse else None
    if counter is None or product is None or (mapping.warehouse and warehouse is None):
        raise AdoptionError("\n".join(wrong))
    c, p, w = mapping.counter, mapping.product, mapping.warehouse
    for name in (c.id, c.product, c.stock, c.warehouse, c.reserved, c.version):
        _column(counter, name, _INTEGERS, wrong)
    _column(counter, c.updated_at, {"timestamp with time zone"}, wrong)
    for name in c.fill:
        _column(counter, name, None, wrong, is_nullable=True)
    _column(product, p.id, _INTEGERS, wrong)
    _column(product, p.is_active, {"boolean"}, wrong)
    _column(product, p.max_per_user, _INTEGERS, wrong, is_nullable=True)
    if w is not None and warehouse is not None:
        _column(warehouse, w.id, _INTEGERS, wrong)
        _column(warehouse, w.code, {"character varying", "text", "character"}, wrong)
        _column(warehouse, w.priority, _INTEGERS, wrong)
    if not counter.is_mine:
        wrong.append(f"{counter.name} belongs to {counter.owner}: run this as that role, or a member of it")
    wrong += _taken(connection, mapping)
    if not wrong:
        wrong += _fills(connection, mapping) + _duplicates(connection, mapping, counter)
    if wrong:
        raise AdoptionError("\n".join(wrong))
    return Adopted(mapping, counter, product, warehouse, tuple(_warnings(connection, mapping, counter)))


def _table(connection: BaseDatabaseWrapper, name: str, section: str, wrong: list[str]) -> Table | None:
    found = facts.table(connection, name)
    if found is None:
        there = ", ".join(
            row[0]
            for row in facts.rows(
                connection, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
            )
        )
        wrong.append(f"[{section}] table: there is no table {name}; there are {there}")
    return found


def _column(table: Table, name: str, types: set[str] | None, wrong: list[str], *, is_nullable: bool = False) -> None:
    if not name:
        return
    found = table.columns.get(name)
    if found is None:
        theirs = ", ".join(each for each in table.columns if not each.startswith(naming.PREFIX))
        wrong.append(f"{table.name} has no column {name}; it has {theirs}")
    elif types is not None and found.type not in types:
        wrong.append(f"{table.name}.{name} is {found.type}; the functions need {' or '.join(sorted(types))}")
    elif found.is_nullable and not is_nullable:
        wrong.append(f"{table.name}.{name} allows NULL, which counts nothing: make it NOT NULL first")


def _taken(connection: BaseDatabaseWrapper, mapping: Map) -> list[str]:
    """Names of the kit's that the project uses for tables of its own."""
    if facts.kind(connection, RECORD) is not None:
        return []
    names = [name for name in _NAMES if facts.kind(connection, name) is not None]
    if not names:
        return []
    return [f"{', '.join(names)}: the project has tables of these names, which the functions need for themselves"]


def _fills(connection: BaseDatabaseWrapper, mapping: Map) -> list[str]:
    wrong = []
    for column, expression in mapping.counter.fill.items():
        try:
            with transaction.atomic(using=connection.alias):
                facts.value(connection, sql.SQL("SELECT ({})").format(sql.SQL(expression)))
        except DatabaseError as error:
            wrong.append(f"[counter.fill] {column}: {expression!r} is no SQL expression: {str(error).splitlines()[0]}")
    return wrong


def _duplicates(connection: BaseDatabaseWrapper, mapping: Map, counter: Table) -> list[str]:
    keys = [sql.Identifier(name) for name in (mapping.counter.product, mapping.counter.warehouse) if name]
    found = facts.value(
        connection,
        sql.SQL("SELECT format('%s', ROW({keys})) FROM {table} GROUP BY {keys} HAVING count(*) > 1 LIMIT 1").format(
            keys=sql.SQL(", ").join(keys), table=counter.identifier
        ),
    )
    if found is None or "hotrow_bucket" in counter.columns:
        return []
    names = ", ".join(name for name in (mapping.counter.product, mapping.counter.warehouse) if name)
    return [f"{counter.name} has several rows for ({names}) = {found}: one counter for each is needed"]


def _warnings(connection: BaseDatabaseWrapper, mapping: Map, counter: Table) -> list[str]:
    told = []
    negative = facts.value(
        connection,
        sql.SQL("SELECT count(*) FROM {} WHERE {} < 0").format(counter.identifier, translation.free(mapping)),
    )
    if negative:
        told.append(
            f"{negative:,} rows of {counter.name} are oversold already: they may rise, and `hotrow verify` names them; "
            "no row may sink below 0 from now on, whoever writes"
        )
    changed = [name for name in (mapping.counter.stock, mapping.counter.reserved, mapping.counter.version) if name]
    indexes = facts.rows(
        connection,
        "SELECT DISTINCT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
        " WHERE i.indrelid = to_regclass(%s) AND a.attname = ANY (%s)",
        [counter.identifier.as_string(None), changed],
    )
    told += [
        f"index {name} has a column that each reservation changes: no update of it can be HOT" for (name,) in indexes
    ]
    return told
