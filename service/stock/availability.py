"""Read how many units are free. Admission is never decided here."""

from dataclasses import dataclass

from django.db import connection

from service.stock.errors import UnknownProduct


@dataclass(frozen=True, slots=True)
class Availability:
    """Free units of one product over all warehouses; ``version`` grows with every change."""

    product_id: int
    available: int
    version: int


def availability(product_ids: list[int]) -> list[Availability]:
    """Sum up each product in one statement; a product that no warehouse knows is left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT product_id, available, version FROM stock_availability_v1(%s::bigint[]) ORDER BY product_id",
            [product_ids],
        )
        return [Availability(*row) for row in cursor.fetchall()]


def availability_of(product_id: int) -> Availability:
    """Sum up one product.

    Raises:
        UnknownProduct: No warehouse has a stock record of it.
    """
    found = availability([product_id])
    if not found:
        raise UnknownProduct("The product does not exist.")
    return found[0]
