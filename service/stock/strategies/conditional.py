"""``conditional``: no lock is asked for; the UPDATE itself says whether the units were still there."""

from django.db.models import F
from django.db.models.functions import Now

from service.stock.models import ProductStock
from service.stock.strategies import Request, Result, rows


def reserve(request: Request) -> Result:
    """Reserve in one transaction; the counter is locked from its UPDATE to the commit."""

    def take(product_id: int, quantity: int) -> tuple[ProductStock, int]:
        counters = ProductStock.objects.filter(product_id=product_id, product__is_active=True)
        for stock in counters.filter(available__gte=quantity).order_by("warehouse__priority", "id"):
            taken = ProductStock.objects.filter(pk=stock.pk, available__gte=quantity).update(
                available=F("available") - quantity,
                held=F("held") + quantity,
                version=F("version") + 1,
                updated_at=Now(),
            )
            if taken:
                return stock, ProductStock.objects.values_list("version", flat=True).get(pk=stock.pk)
        raise rows.refusal(request, product_id)

    return rows.reserve(request, take)
