"""``optimistic``: read a version, write if it is still the same, and try again where it is not.

What the report recommends, with its three tries. On a hot row most tries find another version.
"""

from django.db.models import F
from django.db.models.functions import Now

from service.stock.models import ProductStock
from service.stock.strategies import Outcome, Request, Result, rows

TRIES = 3


def reserve(request: Request) -> Result:
    """Reserve in one transaction; busy where three tries found a version that was gone."""

    def take(product_id: int, quantity: int) -> tuple[ProductStock, int]:
        for _ in range(TRIES):
            stock = (
                ProductStock.objects.filter(product_id=product_id, product__is_active=True, available__gte=quantity)
                .order_by("warehouse__priority", "id")
                .first()
            )
            if stock is None:
                raise rows.refusal(request, product_id)
            taken = ProductStock.objects.filter(pk=stock.pk, version=stock.version).update(
                available=F("available") - quantity,
                held=F("held") + quantity,
                version=stock.version + 1,
                updated_at=Now(),
            )
            if taken:
                return stock, stock.version + 1
        raise rows.Refused(Result(Outcome.BUSY))

    return rows.reserve(request, take)
