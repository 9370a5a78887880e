"""How the old project reserves: a row lock, or a version that is compared."""

from django.db import transaction
from django.db.models import F

from tests.oldshop.shop.models import ProductStock, StockReservation, StockTransaction

TRIES = 3


def pessimistic(stock_id: int, user_id: int, quantity: int) -> bool:
    """Whether the units were reserved; false where too few are free."""
    with transaction.atomic():
        stock = ProductStock.objects.select_for_update().get(id=stock_id)
        if stock.total_stock - stock.reserved_stock < quantity:
            return False
        StockReservation.objects.create(product_stock=stock, user_id=user_id, quantity=quantity)
        stock.reserved_stock += quantity
        stock.version += 1
        stock.save()
        StockTransaction.objects.create(product_stock=stock, kind="reserve", quantity=quantity)
    return True


def optimistic(stock_id: int, user_id: int, quantity: int) -> bool:
    """The same; also false where another writer was faster three times."""
    for _ in range(TRIES):
        stock = ProductStock.objects.get(id=stock_id)
        if stock.total_stock - stock.reserved_stock < quantity:
            return False
        with transaction.atomic():
            changed = ProductStock.objects.filter(id=stock_id, version=stock.version).update(
                reserved_stock=stock.reserved_stock + quantity, version=F("version") + 1
            )
            if changed:
                StockReservation.objects.create(product_stock=stock, user_id=user_id, quantity=quantity)
                StockTransaction.objects.create(product_stock=stock, kind="reserve", quantity=quantity)
                return True
    return False


def end(reservation_id: int, status: str) -> None:
    """Confirm or release a reservation of the old kind."""
    with transaction.atomic():
        reservation = StockReservation.objects.select_for_update().get(id=reservation_id)
        stock = ProductStock.objects.select_for_update().get(id=reservation.product_stock_id)
        stock.reserved_stock -= reservation.quantity
        if status == "confirmed":
            stock.total_stock -= reservation.quantity
        stock.version += 1
        stock.save()
        reservation.status = status
        reservation.save()
        StockTransaction.objects.create(product_stock=stock, kind=status, quantity=reservation.quantity)
