"""HTTP: availability and reservations."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Header, Path, Router, Schema

from service.ops.problems import Problem
from service.stock import availability as reads
from service.stock import reservations

router = Router(tags=["stock"])
availability = Router(tags=["stock"])

MAX_LINES = 100
MAX_QUANTITY = 10_000
MAX_KEY_LENGTH = 255
MAX_BIGINT = 2**63 - 1


class AvailabilityOut(Schema):
    product_id: int
    available: int
    version: int


class LineIn(Schema):
    product_id: int = Field(ge=1, le=MAX_BIGINT)
    quantity: int = Field(ge=1, le=MAX_QUANTITY, strict=True)


class ReservationIn(Schema):
    lines: list[LineIn] = Field(min_length=1, max_length=MAX_LINES)


class LineOut(Schema):
    product_id: int
    quantity: int


class ReservationOut(Schema):
    order_id: UUID
    status: str = "held"
    expires_at: datetime
    lines: list[LineOut]


@availability.get("/{product_id}/availability", response=AvailabilityOut, summary="Free units of one product")
def get_availability(request: HttpRequest, product_id: Annotated[int, Path(ge=1, le=MAX_BIGINT)]) -> AvailabilityOut:
    found = reads.availability(product_id)
    return AvailabilityOut(product_id=found.product_id, available=found.available, version=found.version)


@router.post("", response={201: ReservationOut}, summary="Hold the units of a cart")
def create_reservation(
    request: HttpRequest,
    response: HttpResponse,
    body: ReservationIn,
    key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> tuple[int, ReservationOut]:
    if not key:
        raise Problem(400, "missing_idempotency_key", "Send an Idempotency-Key header of 1 to 255 characters.")
    if len(key) > MAX_KEY_LENGTH:
        raise Problem(400, "invalid_idempotency_key", "The Idempotency-Key header has more than 255 characters.")
    user_id: int = request.auth  # type: ignore[attr-defined]  # set by BearerToken
    held = reservations.reserve(user_id, key, [(line.product_id, line.quantity) for line in body.lines])
    if held.is_replay:
        response["Idempotency-Replayed"] = "true"
    return 201, ReservationOut(
        order_id=held.order_id,
        expires_at=held.expires_at,
        lines=[LineOut(product_id=product, quantity=quantity) for product, quantity in held.quantities.items()],
    )
