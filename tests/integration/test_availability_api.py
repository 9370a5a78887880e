"""The availability of one product past ninja's operation answers as the operation does."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse

from tests.integration.shop import Shop
from tests.integration.test_reserve_api import token

pytestmark = pytest.mark.usefixtures("django_service")
View = Callable[..., HttpResponse]


def views() -> tuple[View, View]:
    """The view that is served, and the operation that OpenAPI is made from."""
    from service.config.api import api, direct
    from service.stock.api import product_availability

    wanted = "products/<product_id>/availability"
    (operation,) = [each.callback for each in api.urls[0] if str(each.pattern) == wanted]
    return direct(product_availability, "GET"), operation


def get(view: View, product: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    from django.db import connections
    from django.test import RequestFactory

    try:
        request = RequestFactory().get("/api/products/x/availability", headers=headers)
        answer = view(request, product_id=product)
    finally:
        connections.close_all()
    return answer.status_code, dict(answer.headers), json.loads(answer.content or b"null")


def test_both_tell_of_a_product(shop: Shop) -> None:
    product = shop.product(7)
    for text in (str(product), f"+{product}", f"00{product}", f" {product} ", f"{product}.0"):
        told = [get(view, text, authorization=token()) for view in views()]
        assert told[0] == told[1]
        assert told[0][0] == 200
        assert told[0][2]["available"] == 7
    etag = {"if-none-match": told[0][1]["ETag"]}
    assert [get(view, str(product), authorization=token(), **etag)[0] for view in views()] == [304, 304]


@pytest.mark.parametrize(
    ("product", "status"),
    [("0", 422), ("-1", 422), ("x", 422), ("1.5", 422), ("٣x", 422), (str(2**63), 422), (str(2**63 - 1), 404)],
)
def test_both_refuse_the_same(product: str, status: int) -> None:
    told = [get(view, product, authorization=token()) for view in views()]
    assert told[0] == told[1]
    assert told[0][0] == status


def test_both_want_a_token(shop: Shop) -> None:
    product = str(shop.product(1))
    for headers, status in (({}, 401), ({"authorization": "Bearer x.y.z"}, 401), ({"authorization": token()}, 200)):
        told = [get(view, product, **headers) for view in views()]
        assert told[0] == told[1]
        assert told[0][0] == status
