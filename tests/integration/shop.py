"""Products of a test's own in the shared database, and what became of their stock."""

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from tuning.observe.audit import INVARIANTS

_CALL = "SELECT outcome, order_id, expires_at, available FROM reserve_stock_v1(%s, %s, %s, %s::bigint[], %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: str
    order_id: uuid.UUID | None
    expires_at: Any
    available: list[int] | None


def call(
    connection: psycopg.Connection,
    products: list[int] | Any,
    quantities: list[int] | Any,
    *,
    user_id: int | None = 1,
    key: str | None = "",
    ttl_s: int | None = 900,
    mode: str | None = "new",
    function: str = "reserve_stock_v1",
) -> Answer:
    """Call the reservation function as any client would; an empty key means a new one."""
    new_key = uuid.uuid4().hex if key == "" else key
    row = connection.execute(
        _CALL.replace("reserve_stock_v1", function), [uuid.uuid4(), user_id, new_key, products, quantities, ttl_s, mode]
    ).fetchone()
    assert row is not None
    return Answer(*row)


class Shop:
    """Makes products and counts their stock over one connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def product(self, *units: int, is_active: bool = True, max_per_user: int | None = None) -> int:
        """A new product with so many units in each warehouse, in their order of priority."""
        sku = f"test-{uuid.uuid4().hex[:20]}"
        with self.connection.transaction():
            (product_id,) = self._one(
                "INSERT INTO product (sku, name, price, category_id, is_active, max_per_user)"
                " VALUES (%s, %s, 1, 1, %s, %s) RETURNING id",
                sku,
                sku,
                is_active,
                max_per_user,
            )
            for warehouse_id, available in enumerate(units, start=1):
                (stock_id,) = self._one(
                    "INSERT INTO product_stock (product_id, warehouse_id, available, version)"
                    " VALUES (%s, %s, %s, 1) RETURNING id",
                    product_id,
                    warehouse_id,
                    available,
                )
                self.connection.execute(
                    "INSERT INTO stock_transaction"
                    " (product_stock_id, kind, delta_available, delta_held, delta_sold, version)"
                    " VALUES (%s, 'restock', %s, 0, 0, 1)",
                    [stock_id, available],
                )
        return int(product_id)

    def counters(self, product_id: int) -> tuple[int, int, int]:
        """available, held and sold of a product over its warehouses."""
        row = self._one(
            "SELECT sum(available)::bigint, sum(held)::bigint, sum(sold)::bigint FROM product_stock"
            " WHERE product_id = %s",
            product_id,
        )
        return int(row[0]), int(row[1]), int(row[2])

    def free(self, product_id: int) -> int:
        """Free units over all warehouses, buckets and rows."""
        (units,) = self._one("SELECT available FROM stock_availability_v1(ARRAY[%s::bigint])", product_id)
        return int(units)

    def ask(self, function: str, *arguments: Any) -> Any:
        """Call a function and return its outcome, or its only value."""
        marks = ", ".join(["%s"] * len(arguments))
        return self._one(f"SELECT * FROM {function}({marks})", *arguments)[0]

    def events(self, product_or_order: int | uuid.UUID) -> list[str]:
        column = "order_id" if isinstance(product_or_order, uuid.UUID) else "product_id"
        rows = self.connection.execute(
            f"SELECT event FROM stock_outbox WHERE {column} = %s ORDER BY id",  # type: ignore[arg-type]
            [product_or_order],
        )
        return [row[0] for row in rows]

    def make_due(self, order_id: uuid.UUID | None) -> None:
        """Let an order's holds have ended a second ago."""
        self.connection.execute(
            "UPDATE stock_reservation SET created_at = created_at - interval '1 day',"
            " expires_at = clock_timestamp() - interval '1 second' WHERE order_id = %s",
            [order_id],
        )

    def statuses(self, order_id: uuid.UUID | None) -> list[str]:
        rows = self.connection.execute(
            "SELECT status FROM stock_reservation WHERE order_id = %s ORDER BY line", [order_id]
        )
        return [row[0] for row in rows]

    def reservations(self, product_id: int) -> int:
        (count,) = self._one(
            "SELECT count(*) FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id"
            " WHERE s.product_id = %s",
            product_id,
        )
        return int(count)

    def violations(self) -> list[str]:
        """Every breach of an invariant in the whole database."""
        return [row[0] for statement in INVARIANTS.values() for row in self.connection.execute(statement)]

    def _one(self, statement: str, *values: Any) -> Any:
        row = self.connection.execute(statement, values).fetchone()
        assert row is not None
        return row
