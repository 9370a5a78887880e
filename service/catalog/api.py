"""HTTP: the product list. A page that is kept is sent as it is, past ninja's operation (ADR 20)."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from ninja.errors import ValidationError as InvalidRequest
from pydantic import BaseModel, Field, ValidationError

from service.catalog import listing
from service.ops import conditional, positions
from service.ops.problems import documented

router = Router(tags=["catalog"])

PAGE_SIZE_MAX = 100
# OFFSET reads all that it skips: beyond this many pages a caller wants a search, not a list.
PAGE_MAX = 1000
MAX_BIGINT = 2**63 - 1
# gunicorn's answer, before Django.
_TOO_LONG = {414: {"description": "The request line is longer than 4094 bytes.", "content": {"text/html": {}}}}


class PageIn(BaseModel):
    page: int = Field(default=1, ge=1, le=PAGE_MAX)
    page_size: int = Field(default=20, ge=1, le=PAGE_SIZE_MAX)
    category: int | None = Field(default=None, ge=1, le=MAX_BIGINT)


@router.get(
    "",
    response=listing.ProductPage,
    summary="List products that are on sale",
    openapi_extra=positions.documented_read(
        {"responses": _TOO_LONG | conditional.documented(documented({400: ["invalid_position"]}))["responses"]}
    ),
)
def list_products(request: HttpRequest, wanted: Annotated[PageIn, Query()]) -> HttpResponse:
    return _answer(request, wanted)


def product_list(request: HttpRequest) -> HttpResponse:
    """The same, called directly."""
    try:
        wanted = PageIn.model_validate({name: request.GET[name] for name in request.GET})
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest([{**item, "loc": ("query", *item["loc"])} for item in errors]) from None
    return _answer(request, wanted)


def _answer(request: HttpRequest, wanted: PageIn) -> HttpResponse:
    least = positions.asked(request)
    return conditional.answer(request, listing.page(wanted.page, wanted.page_size, wanted.category, least))
