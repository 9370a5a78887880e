"""What a buyer does with an order after it was reserved; each call is one statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from service.config.environment import environment
from service.stock import errors
from service.stock.models import StockReservation


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order; ``status`` is the reservation's own."""

    line: int
    product_id: int
    quantity: int
    status: str
    expires_at: datetime


def lines(user_id: int, order_id: UUID) -> list[Line]:
    """Return the lines of one of the user's orders.

    Raises:
        OrderNotFound: There is no such order, or it is another user's.
    """
    rows = (
        StockReservation.objects.filter(order_id=order_id, user_id=user_id)
        .order_by("line")
        .values_list("line", "product_stock__product_id", "quantity", "status", "expires_at")
    )
    found = [Line(*row) for row in rows]
    if not found:
        raise errors.OrderNotFound("There is no such order.")
    return found


def begin_payment(user_id: int, order_id: UUID) -> datetime:
    """Protect the order's holds while its buyer pays; return until when."""
    outcome, expires_at = _call("begin_payment_v1", user_id, order_id, environment().payment_window_s)
    _expect(outcome, "paying")
    assert isinstance(expires_at, datetime)
    return expires_at


def extend(user_id: int, order_id: UUID) -> datetime:
    """Give a held order its full lifetime again, a bounded number of times; return until when."""
    outcome, expires_at = _call("extend_reservation_v1", user_id, order_id, environment().reservation_ttl_s)
    _expect(outcome, "extended")
    assert isinstance(expires_at, datetime)
    return expires_at


def confirm(user_id: int, order_id: UUID, payment_ref: str, only: list[int] | None = None) -> None:
    """Sell the order's units, or those of some lines; the same reference again changes nothing."""
    (outcome,) = _call("confirm_reservation_v1", user_id, order_id, payment_ref, only, environment().late_confirm.value)
    _expect(outcome, "confirmed", "already_confirmed")


def release(user_id: int, order_id: UUID, only: list[int] | None = None) -> None:
    """Give the order's units back, or those of some lines; again changes nothing."""
    (outcome,) = _call("release_reservation_v1", user_id, order_id, only)
    _expect(outcome, "released", "already_released")


def _call(function: str, *arguments: Any) -> tuple[Any, ...]:
    casts = {
        "confirm_reservation_v1": "%s, %s, %s, %s::smallint[], %s",
        "release_reservation_v1": "%s, %s, %s::smallint[]",
    }
    marks = casts.get(function, ", ".join(["%s"] * len(arguments)))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}({marks})", arguments)  # noqa: S608  # the names stand above
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _expect(outcome: str, *good: str) -> None:
    if outcome in good:
        return
    if outcome == "not_found":
        raise errors.OrderNotFound("There is no such order.")
    raise errors.OrderState(outcome)
