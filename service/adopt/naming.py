"""The names that the functions use, on the project's tables: columns, a key, and views (ADR 17)."""

from psycopg import sql

from service.adopt.facts import Table
from service.adopt.mapping import Map

PREFIX = "hotrow_"
# Constant defaults: PostgreSQL notes them in the catalog and rewrites no row.
COLUMNS = {
    "hotrow_bucket": "smallint NOT NULL DEFAULT 0",
    "hotrow_available": "bigint NOT NULL DEFAULT 0",
    "hotrow_held": "bigint NOT NULL DEFAULT 0",
    "hotrow_sold": "bigint NOT NULL DEFAULT 0",
    "hotrow_version": "bigint NOT NULL DEFAULT 0",
    "hotrow_updated_at": "timestamptz NOT NULL DEFAULT now()",
}
WAREHOUSE_COLUMN = {"hotrow_warehouse_id": "bigint NOT NULL DEFAULT 1"}
UNIQUE_INDEX = "hotrow_counter_key"


def columns(mapping: Map) -> dict[str, str]:
    """The columns that the project's counter gets, and their types."""
    return COLUMNS if mapping.warehouse else COLUMNS | WAREHOUSE_COLUMN


def unique_index(mapping: Map, table: Table) -> str:
    """What ON CONFLICT of restock needs, and the look-up of a product's counters."""
    return text(
        sql.SQL("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({}, {}, hotrow_bucket)").format(
            sql.Identifier(UNIQUE_INDEX),
            table.identifier,
            sql.Identifier(mapping.counter.product),
            sql.Identifier(mapping.counter.warehouse or "hotrow_warehouse_id"),
        )
    )


def views(mapping: Map, counter: Table, product: Table, warehouse: Table | None) -> dict[str, str]:
    """The functions' names for the project's tables; renamed columns alone, so that PostgreSQL updates through them."""
    c, p, w = mapping.counter, mapping.product, mapping.warehouse
    named = {
        "product_stock": (
            counter,
            {
                "id": column(c.id),
                "product_id": column(c.product),
                "warehouse_id": column(c.warehouse or "hotrow_warehouse_id"),
                "bucket": column("hotrow_bucket"),
                "available": column("hotrow_available"),
                "held": column("hotrow_held"),
                "sold": column("hotrow_sold"),
                "version": column("hotrow_version"),
                # Constants can be read and not written: the project's code knows one row and no pool.
                "pooled": sql.SQL("0::bigint"),
                "updated_at": column("hotrow_updated_at"),
            },
        ),
        "product": (
            product,
            {
                "id": column(p.id),
                "is_active": column(p.is_active) if p.is_active else sql.SQL("true"),
                "max_per_user": column(p.max_per_user) if p.max_per_user else sql.SQL("NULL::integer"),
                "stock_mode": sql.SQL("'counter'::varchar(10)"),
            },
        ),
    }
    if w is not None and warehouse is not None:
        priority = column(w.priority) if w.priority else sql.SQL("0::smallint")
        named["warehouse"] = (warehouse, {"id": column(w.id), "code": column(w.code), "priority": priority})
    return {
        name: text(
            sql.SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(
                sql.Identifier("public", name),
                sql.SQL(", ").join(
                    sql.SQL("{} AS {}").format(source, sql.Identifier(alias)) for alias, source in selected.items()
                ),
                table.identifier,
            )
        )
        for name, (table, selected) in named.items()
    }


def column(name: str, row: str | None = None) -> sql.Composable:
    if row is None:
        return sql.Identifier(name)
    return sql.SQL("{}.{}").format(sql.SQL(row), sql.Identifier(name))


def text(composed: sql.Composable) -> str:
    return composed.as_string(None)
