"""What the strategies that write from Python share: the rows of a reservation, replays and refusals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, IntegrityError, transaction

from service.catalog.models import Product
from service.db.sqlstates import LOCK_NOT_AVAILABLE, sqlstate
from service.stock.errors import ModeNotSupported
from service.stock.models import ProductStock, StockReservation, StockTransaction
from service.stock.strategies import Outcome, Request, Result


class Refused(Exception):
    """Ends the transaction of a cart that cannot be had, with what to tell."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.outcome)
        self.result = result


Take = Callable[[int, int], tuple[ProductStock, int]]
"""Takes so many units of a product; returns the counter and the version that it has after that."""


def reserve(request: Request, take: Take) -> Result:
    """Reserve a cart in one transaction, each product with ``take``, in ascending id.

    ``take`` raises :exc:`Refused` to end it.

    Raises:
        ModeNotSupported: The request is to replace a hold.
    """
    if request.mode != "new":
        raise ModeNotSupported("This service's strategy cannot replace holds: it runs with function or batched.")
    granted_at: datetime | None = None
    ttl = timedelta(seconds=request.ttl_s)
    try:
        with transaction.atomic():
            for line, (product_id, quantity) in enumerate(request.quantities.items(), start=1):
                stock, version = take(product_id, quantity)
                granted_at = granted_at or datetime.now(UTC)
                _write(request, line, stock, quantity, version, granted_at, granted_at + ttl)
    except Refused as refused:
        return refused.result
    except IntegrityError:
        return _replay(request)
    except DatabaseError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            return Result(Outcome.BUSY)
        raise
    assert granted_at is not None  # a cart has at least one line
    return Result(Outcome.RESERVED, order_id=request.order_id, expires_at=granted_at + ttl)


def refusal(request: Request, product_id: int) -> Refused:
    """Why units of this product cannot be had."""
    product = Product.objects.filter(id=product_id, stock__isnull=False).first()
    if product is None:
        return Refused(Result(Outcome.UNKNOWN_PRODUCT))
    if not product.is_active:
        return Refused(Result(Outcome.INACTIVE_PRODUCT))
    available = dict.fromkeys(request.quantities, 0)
    rows = ProductStock.objects.filter(product_id__in=request.quantities)
    for each, units in rows.values_list("product_id", "available"):
        available[each] += units
    return Refused(Result(Outcome.INSUFFICIENT, available=available))


def _write(
    request: Request,
    line: int,
    stock: ProductStock,
    quantity: int,
    version: int,
    granted_at: datetime,
    expires_at: datetime,
) -> None:
    reservation = StockReservation.objects.create(
        order_id=request.order_id,
        line=line,
        user_id=request.user_id,
        product_stock=stock,
        quantity=quantity,
        status=StockReservation.Status.HELD,
        idempotency_key=request.key,
        request_hash=request.fingerprint,
        expires_at=expires_at,
        created_at=granted_at,
        updated_at=granted_at,
    )
    StockTransaction.objects.create(
        product_stock=stock,
        reservation=reservation,
        kind=StockTransaction.Kind.RESERVE,
        delta_available=-quantity,
        delta_held=quantity,
        delta_sold=0,
        version=version,
        created_at=granted_at,
    )


def _replay(request: Request) -> Result:
    first = StockReservation.objects.filter(user_id=request.user_id, idempotency_key=request.key).first()
    if first is None:
        return Result(Outcome.BUSY)
    if first.request_hash != request.fingerprint:
        return Result(Outcome.KEY_CONFLICT)
    return Result(Outcome.REPLAYED, order_id=first.order_id, expires_at=first.expires_at)
