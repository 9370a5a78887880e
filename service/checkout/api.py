"""HTTP: check an order out, and see how far that is."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from service.checkout import saga
from service.ops import positions
from service.ops.problems import documented
from service.stock.api import user

router = Router(tags=["checkout"])

# What a client waits before it looks again; a worker begins within a second.
POLL_S = 1


class CheckoutOut(Schema):
    order_id: UUID
    status: saga.Step = Field(description="confirmed, refused and voided are final.")
    amount: Decimal
    payment_ref: str | None
    reason: str | None = Field(description="Why it was not confirmed: declined, or the state that the order was in.")
    updated_at: datetime


@router.post(
    "/{order_id}/checkout",
    response={200: CheckoutOut, 202: CheckoutOut},
    summary="Pay for an order: 202 while it is under way, 200 when it is over",
    openapi_extra=positions.documented_write(
        {200: "It is over", 202: "It is under way"},
        documented({404: ["not_found"], 409: ["confirmed", "expired", "released"], 501: ["checkout_not_configured"]}),
    ),
)
def start_checkout(request: HttpRequest, response: HttpResponse, order_id: UUID) -> tuple[int, CheckoutOut]:
    found = saga.start(user(request), order_id)
    positions.tell_committed(response)
    response["Location"] = f"/api/orders/{order_id}/checkout"
    return (200 if found.is_final else 202), _shown(found, response)


@router.get(
    "/{order_id}/checkout",
    response=CheckoutOut,
    summary="How far a checkout is",
    openapi_extra=documented({404: ["not_found"]}),
)
def get_checkout(request: HttpRequest, response: HttpResponse, order_id: UUID) -> CheckoutOut:
    return _shown(saga.status(user(request), order_id), response)


def _shown(found: saga.Status, response: HttpResponse) -> CheckoutOut:
    if not found.is_final:
        response["Retry-After"] = str(POLL_S)
    return CheckoutOut(
        order_id=found.order_id,
        status=saga.Step(found.step),
        amount=found.amount,
        payment_ref=found.payment_ref,
        reason=found.reason,
        updated_at=found.updated_at,
    )
