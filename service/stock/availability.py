"""Read how many units are free. Admission is never decided here."""

from dataclasses import dataclass

from django.db.models import Max, Sum
from django.db.models.functions import Greatest

from service.stock.errors import UnknownProduct
from service.stock.models import ProductStock


@dataclass(frozen=True, slots=True)
class Availability:
    """Free units of one product over all warehouses; ``version`` grows with every change."""

    product_id: int
    available: int
    version: int


def availability(product_id: int) -> Availability:
    """Sum up one product in one statement.

    Raises:
        UnknownProduct: No warehouse has a stock record of it.
    """
    row = ProductStock.objects.filter(product_id=product_id).aggregate(
        available=Sum(Greatest("available", 0)), version=Sum("version"), newest=Max("id")
    )
    if row["newest"] is None:
        raise UnknownProduct("The product does not exist.")
    return Availability(product_id=product_id, available=row["available"], version=row["version"])
