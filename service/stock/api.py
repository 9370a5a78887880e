"""HTTP: availability, and what a buyer does with an order; ``reserve_api`` makes it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Path, Router, Schema
from ninja.errors import ValidationError as InvalidRequest
from pydantic import TypeAdapter, ValidationError

from service.db.replica import committed
from service.ops import conditional, positions
from service.ops.fields import NUMBER, Text
from service.ops.problems import documented
from service.stock import availability as reads
from service.stock import orders
from service.stock.errors import ORDER_STATES

router = Router(tags=["stock"])
availability = Router(tags=["stock"])
availability_of_many = Router(tags=["stock"])

MAX_LINES = 100
MAX_PRODUCTS = 100
MAX_QUANTITY = 10_000
MAX_BIGINT = 2**63 - 1
_PRODUCT_ID = TypeAdapter(Annotated[int, Field(ge=1, le=MAX_BIGINT)])

_OF_ORDER = documented({404: ["not_found"]})
_OF_STATE = positions.documented_write(
    {200: "The order as it is now"}, documented({404: ["not_found"], 409: list(ORDER_STATES)})
)


class AvailabilityOut(Schema):
    product_id: int
    available: int
    version: int


@availability.get(
    "/{product_id}/availability",
    response=AvailabilityOut,
    summary="Free units of one product",
    openapi_extra=positions.documented_read(
        conditional.documented(documented({400: ["invalid_position"], 404: ["unknown_product"]}))
    ),
)
def get_availability(request: HttpRequest, product_id: Annotated[int, Path(ge=1, le=MAX_BIGINT)]) -> HttpResponse:
    return conditional.answer(request, reads.availability_of(product_id, positions.asked(request)))


def product_availability(request: HttpRequest, product_id: str) -> HttpResponse:
    """The same, called directly."""
    try:
        number = _PRODUCT_ID.validate_python(product_id)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest([{**item, "loc": ("path", "product_id")} for item in errors]) from None
    return get_availability(request, number)


class ProductsIn(Schema):
    product_ids: list[Annotated[int, Field(ge=1, le=MAX_BIGINT), NUMBER]] = Field(min_length=1, max_length=MAX_PRODUCTS)


class OrderLineOut(Schema):
    line: int
    product_id: int
    quantity: int
    status: str
    expires_at: datetime


class OrderOut(Schema):
    order_id: UUID
    lines: list[OrderLineOut]


class LinesIn(Schema):
    lines: list[Annotated[int, Field(ge=1, le=MAX_LINES), NUMBER]] | None = Field(default=None, min_length=1)


class PaymentIn(LinesIn):
    payment_ref: Text = Field(min_length=1, max_length=255)


@availability_of_many.post(
    "",
    response=list[AvailabilityOut],
    summary="Free units of many products",
    openapi_extra=positions.documented_read(documented({400: ["invalid_position"]})),
)
def get_availability_of_many(request: HttpRequest, body: ProductsIn) -> list[AvailabilityOut]:
    return [
        AvailabilityOut(product_id=found.product_id, available=found.available, version=found.version)
        for found in reads.availability(body.product_ids, positions.asked(request))
    ]


@router.get("/{order_id}", response=OrderOut, summary="One of the buyer's orders", openapi_extra=_OF_ORDER)
def get_order(request: HttpRequest, order_id: UUID) -> OrderOut:
    return _order(user(request), order_id)


@router.post(
    "/{order_id}/payment", response=OrderOut, summary="Protect the holds while the buyer pays", openapi_extra=_OF_STATE
)
def begin_payment(request: HttpRequest, response: HttpResponse, order_id: UUID) -> OrderOut:
    orders.begin_payment(user(request), order_id)
    positions.tell_committed(response)
    return _order(user(request), order_id)


@router.post("/{order_id}/extend", response=OrderOut, summary="Give the holds more time", openapi_extra=_OF_STATE)
def extend(request: HttpRequest, response: HttpResponse, order_id: UUID) -> OrderOut:
    orders.extend(user(request), order_id)
    positions.tell_committed(response)
    return _order(user(request), order_id)


@router.post(
    "/{order_id}/confirm", response=OrderOut, summary="Sell the units against a payment", openapi_extra=_OF_STATE
)
def confirm(request: HttpRequest, response: HttpResponse, order_id: UUID, body: PaymentIn) -> OrderOut:
    orders.confirm(user(request), order_id, body.payment_ref, body.lines)
    return _changed(response, _order(user(request), order_id))


@router.post("/{order_id}/release", response=OrderOut, summary="Give the units back", openapi_extra=_OF_STATE)
def release(request: HttpRequest, response: HttpResponse, order_id: UUID, body: LinesIn) -> OrderOut:
    orders.release(user(request), order_id, body.lines)
    return _changed(response, _order(user(request), order_id))


def user(request: HttpRequest) -> int:
    """The id of the buyer that the request's token speaks for."""
    user_id: int = request.auth  # type: ignore[attr-defined]  # set by BearerToken
    return user_id


def _changed(response: HttpResponse, order: OrderOut) -> OrderOut:
    position = committed()
    reads.forget({line.product_id for line in order.lines}, position)
    positions.tell(response, position)
    return order


def _order(user_id: int, order_id: UUID) -> OrderOut:
    lines = [
        OrderLineOut(
            line=each.line,
            product_id=each.product_id,
            quantity=each.quantity,
            status=each.status,
            expires_at=each.expires_at,
        )
        for each in orders.lines(user_id, order_id)
    ]
    return OrderOut(order_id=order_id, lines=lines)
