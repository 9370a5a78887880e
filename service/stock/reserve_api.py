"""HTTP: hold the units of a cart. The one call that a flash sale makes thousands of times a second.

The framework around this call cost more than the call (docs/adr/0011): so the body goes straight
from its bytes into pydantic, and the answer from its values into JSON. What it does is declared for
OpenAPI beside it.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.errors import ValidationError as InvalidRequest
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json

from service.ops import positions
from service.ops.fields import NUMBER
from service.ops.outcomes import Told
from service.ops.problems import Problem, documented
from service.stock import reservations
from service.stock.api import MAX_BIGINT, MAX_LINES, MAX_QUANTITY, user

router = Router(tags=["stock"])

MAX_KEY_LENGTH = 255


class LineIn(BaseModel):
    product_id: Annotated[int, Field(ge=1, le=MAX_BIGINT), NUMBER]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY), NUMBER]


class ReservationIn(BaseModel):
    lines: list[LineIn] = Field(min_length=1, max_length=MAX_LINES)
    mode: reservations.Mode = Field(
        default="new", description="replace gives back the buyer's own holds of these products first."
    )


class LineOut(Schema):
    product_id: int
    quantity: int


class ReservationOut(Schema):
    order_id: UUID
    status: str = "held"
    expires_at: datetime
    lines: list[LineOut]


def _declared() -> dict[str, Any]:
    """The part of the OpenAPI document that ninja cannot read off the function."""
    body = ReservationIn.model_json_schema()
    body["properties"]["lines"]["items"] = body.pop("$defs")["LineIn"]
    key = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH}
    return {
        "parameters": [{"in": "header", "name": "Idempotency-Key", "required": True, "schema": key}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        **positions.documented_write(
            {201: "The units are held"},
            documented(
                {
                    400: ["missing_idempotency_key", "invalid_idempotency_key"],
                    404: ["unknown_product"],
                    409: ["insufficient", "inactive_product", "user_limit"],
                    422: ["key_conflict"],
                    501: ["mode_not_supported"],
                }
            ),
        ),
    }


@router.post("", response={201: ReservationOut}, summary="Hold the units of a cart", openapi_extra=_declared())
def create_reservation(request: HttpRequest) -> HttpResponse:
    body = _body(request)
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if not key:
        raise Problem(400, "missing_idempotency_key", "Send an Idempotency-Key header of 1 to 255 characters.")
    if len(key) > MAX_KEY_LENGTH:
        raise Problem(400, "invalid_idempotency_key", "The Idempotency-Key header has more than 255 characters.")
    lines = [(line.product_id, line.quantity) for line in body.lines]
    held = reservations.reserve(user(request), key, lines, body.mode)
    document = {
        "order_id": held.order_id,
        "status": "held",
        # As Django's encoder writes a time in the other answers.
        "expires_at": held.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "lines": [{"product_id": product, "quantity": quantity} for product, quantity in held.quantities.items()],
    }
    answer = Told(to_json(document), status=201, content_type="application/json")
    answer.outcome = "replayed" if held.is_replay else "reserved"
    if held.is_replay:
        answer["Idempotency-Replayed"] = "true"
    positions.tell(answer, held.position)
    return answer


def _body(request: HttpRequest) -> ReservationIn:
    """Parse the body.

    Raises:
        Problem: It is no JSON.
        InvalidRequest: It has another form.
    """
    try:
        return ReservationIn.model_validate_json(request.body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        if errors[0]["type"] == "json_invalid":
            raise Problem(400, "bad_request", "The body is no JSON document.") from None
        raise InvalidRequest([{**item, "loc": ("body", *item["loc"])} for item in errors]) from None
