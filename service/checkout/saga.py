"""The checkout: authorise the payment, confirm the order; where that is too late, undo both.

The step that comes next is in the database before it is begun, and each step may be done again: the
provider knows the order's key, and what the database does for a step is one transaction with writing
down the next. So a worker may die anywhere, and two may work on one order.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connection

from service.checkout.models import Checkout
from service.checkout.payments import Authorised, PaymentPort, PaymentUnknown
from service.config.environment import environment
from service.stock import errors

logger = logging.getLogger(__name__)

Step = Checkout.Step
UNDER_WAY = frozenset({Step.AUTHORISING, Step.CONFIRMING, Step.VOIDING, Step.RELEASING})
# Beyond two answers of the provider: the statements in between, each at most the role's 10 s.
LEASE_MARGIN_S = 20
# One worker process goes on with checkouts so long, then lets other tasks in.
MAX_RUN_S = 10.0
# Confirm, void and release follow an authorisation; more would be a loop.
MAX_STEPS = 5


@dataclass(frozen=True, slots=True)
class Status:
    """How far a checkout is; ``reason`` says why it was not confirmed."""

    order_id: UUID
    step: str
    amount: Decimal
    payment_ref: str | None
    reason: str | None
    updated_at: datetime

    @property
    def is_final(self) -> bool:
        return self.step not in UNDER_WAY


class CheckoutNotFound(errors.StockError):
    """The order was never checked out, or it is another buyer's."""

    code = "not_found"
    status = 404


class CheckoutNotConfigured(errors.StockError):
    """This shop has no payment provider."""

    code = "checkout_not_configured"
    status = 501


def start(user_id: int, order_id: UUID) -> Status:
    """Write down that an order is to be paid; a worker does the rest. Again changes nothing.

    Raises:
        OrderNotFound: There is no such order.
        OrderState: The order is over, or was confirmed.
        CheckoutNotConfigured: There is no provider.
    """
    if environment().payment_url is None:
        raise CheckoutNotConfigured("This shop has no payment provider: set HOTROW_PAYMENT_URL.")
    outcome = _call("SELECT checkout_start_v1(%s, %s, %s)", user_id, order_id, environment().payment_window_s)
    if outcome == "not_found":
        raise errors.OrderNotFound("There is no such order.")
    if outcome not in ("started", "replayed"):
        raise errors.OrderState(outcome)
    return status(user_id, order_id)


def status(user_id: int, order_id: UUID) -> Status:
    """Return how far the checkout of one of the user's orders is.

    Raises:
        CheckoutNotFound: There is none.
    """
    found = Checkout.objects.filter(order_id=order_id, user_id=user_id).first()
    if found is None:
        raise CheckoutNotFound("There is no checkout of this order.")
    return Status(found.order_id, found.step, found.amount, found.payment_ref, found.reason, found.updated_at)


def run_due(port: PaymentPort) -> int:
    """Go on with the checkouts that are due, one after the other, for a while; return how many."""
    deadline = time.monotonic() + MAX_RUN_S
    count = 0
    while time.monotonic() < deadline and (taken := _take(port)):
        count += taken
    return count


def _take(port: PaymentPort) -> int:
    lease_s = int(2 * environment().payment_timeout_s) + LEASE_MARGIN_S
    with connection.cursor() as cursor:
        cursor.execute("SELECT order_id, amount, step FROM checkout_take_v1(1, %s)", [lease_s])
        taken = cursor.fetchall()
    for order_id, amount, step in taken:
        try:
            _run(port, order_id, amount, step)
        except (PaymentUnknown, DatabaseError) as error:
            logger.warning("checkout of order %s is tried again: %s", order_id, error)
            connection.close_if_unusable_or_obsolete()
            _record(order_id, "failed", error=str(error))
    return len(taken)


def _run(port: PaymentPort, order_id: UUID, amount: Decimal, step: str) -> None:
    key = f"checkout-{order_id}"
    for _ in range(MAX_STEPS):
        match step:
            case Step.AUTHORISING:
                answer = port.authorise(key, order_id, amount)
                if isinstance(answer, Authorised):
                    step = _record(order_id, "authorised", payment_ref=answer.payment_ref)
                else:
                    step = _record(order_id, "declined")
            case Step.VOIDING:
                port.void(key)
                step = _record(order_id, "voided")
            case Step.CONFIRMING | Step.RELEASING:
                step = _call("SELECT checkout_settle_v1(%s, %s)", order_id, environment().late_confirm.value)
            case _:
                break
    logger.info("checkout of order %s: %s", order_id, step)


def _record(order_id: UUID, answer: str, payment_ref: str | None = None, error: str | None = None) -> str:
    step: str = _call("SELECT checkout_record_v1(%s, %s, %s, %s)", order_id, answer, payment_ref, error)
    return step


def _call(statement: str, *arguments: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchone()[0]
