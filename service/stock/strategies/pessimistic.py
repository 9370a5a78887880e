"""``pessimistic``: the report's code, statement by statement: lock the row, then write.

The baseline that the kit is measured against, kept as it was found: the row lock is held over
five round trips. For a service, use ``function``.
"""

from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.db import DatabaseError, IntegrityError, transaction

from service.catalog.models import Product
from service.db.sqlstates import LOCK_NOT_AVAILABLE, sqlstate
from service.stock.models import ProductStock, StockReservation, StockTransaction
from service.stock.strategies import Outcome, Request, Result


def reserve(request: Request) -> Result:
    """Reserve in one transaction of several statements; products are locked in ascending id."""
    try:
        with transaction.atomic():
            result = _reserve(request)
            if result.outcome is not Outcome.RESERVED:
                transaction.set_rollback(True)
    except IntegrityError:
        return _replay(request)
    except DatabaseError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            return Result(Outcome.BUSY)
        raise
    if result.outcome is Outcome.RESERVED:
        cache.delete_many([f"stock:available:{product}" for product in request.quantities])
    return result


def _reserve(request: Request) -> Result:
    available: dict[int, int] = {}
    ttl = timedelta(seconds=request.ttl_s)
    granted_at: datetime | None = None
    for line, (product_id, quantity) in enumerate(request.quantities.items(), start=1):
        rows = list(
            ProductStock.objects.select_for_update(of=("self",), no_key=True)
            .filter(product_id=product_id, product__is_active=True)
            .order_by("id")
        )
        if not rows:
            is_known = Product.objects.filter(id=product_id, stock__isnull=False).exists()
            return Result(Outcome.INACTIVE_PRODUCT if is_known else Outcome.UNKNOWN_PRODUCT)
        available[product_id] = sum(row.available for row in rows)
        stock = next((row for row in rows if row.available >= quantity), None)
        if stock is None:
            available |= _available_now([p for p in request.quantities if p not in available])
            return Result(Outcome.INSUFFICIENT, available=available)
        granted_at = granted_at or datetime.now(UTC)
        reservation = StockReservation.objects.create(
            order_id=request.order_id,
            line=line,
            user_id=request.user_id,
            product_stock=stock,
            quantity=quantity,
            status=StockReservation.Status.HELD,
            idempotency_key=request.key,
            request_hash=request.fingerprint,
            expires_at=granted_at + ttl,
            created_at=granted_at,
            updated_at=granted_at,
        )
        stock.available -= quantity
        stock.held += quantity
        stock.version += 1
        stock.updated_at = granted_at
        stock.save()
        StockTransaction.objects.create(
            product_stock=stock,
            reservation=reservation,
            kind=StockTransaction.Kind.RESERVE,
            delta_available=-quantity,
            delta_held=quantity,
            delta_sold=0,
            version=stock.version,
            created_at=granted_at,
        )
    assert granted_at is not None  # a cart has at least one line
    return Result(Outcome.RESERVED, order_id=request.order_id, expires_at=granted_at + ttl)


def _available_now(product_ids: list[int]) -> dict[int, int]:
    totals = dict.fromkeys(product_ids, 0)
    for product_id, available in ProductStock.objects.filter(product_id__in=product_ids).values_list(
        "product_id", "available"
    ):
        totals[product_id] += available
    return totals


def _replay(request: Request) -> Result:
    first = StockReservation.objects.filter(user_id=request.user_id, idempotency_key=request.key).first()
    if first is None:
        return Result(Outcome.BUSY)
    if first.request_hash != request.fingerprint:
        return Result(Outcome.KEY_CONFLICT)
    return Result(Outcome.REPLAYED, order_id=first.order_id, expires_at=first.expires_at)
