"""HTTP: wait for a product that is sold out."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Field, Path, Router, Schema

from service.ops import positions
from service.ops.fields import NUMBER
from service.ops.problems import documented
from service.stock import waitlist
from service.stock.api import MAX_BIGINT, MAX_QUANTITY, user

router = Router(tags=["stock"])

ProductId = Annotated[int, Path(ge=1, le=MAX_BIGINT)]


class WaitIn(Schema):
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY), NUMBER]


class PlaceOut(Schema):
    outcome: waitlist.Outcome
    place: int | None = Field(description="1 for the first; null when the units are held for the buyer now.")


@router.post(
    "/{product_id}/waitlist",
    response={201: PlaceOut},
    summary="Wait for units of a product",
    openapi_extra=positions.documented_write(
        {201: "The buyer waits, or has the units"},
        documented({404: ["unknown_product"], 409: ["inactive_product", "user_limit"]}),
    ),
)
def join_waitlist(
    request: HttpRequest, response: HttpResponse, product_id: ProductId, body: WaitIn
) -> tuple[int, PlaceOut]:
    joined = waitlist.join(user(request), product_id, body.quantity)
    positions.tell_committed(response)
    return 201, PlaceOut(outcome=joined.outcome, place=joined.place)


@router.delete(
    "/{product_id}/waitlist",
    response={204: None},
    summary="Give up the place",
    openapi_extra=positions.documented_write({204: "The place is given up"}, documented({404: ["not_waiting"]})),
)
def leave_waitlist(request: HttpRequest, response: HttpResponse, product_id: ProductId) -> tuple[int, None]:
    waitlist.leave(user(request), product_id)
    positions.tell_committed(response)
    return 204, None
