"""The product list past ninja's operation answers as the operation does, and a page is of one snapshot."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from tests.integration.shop import Shop
from tests.integration.test_reserve_api import token

pytestmark = pytest.mark.usefixtures("django_service")
View = Callable[[HttpRequest], HttpResponse]


def views() -> tuple[View, View]:
    """The view that is served, and the operation that OpenAPI is made from."""
    from service.catalog.api import product_list
    from service.config.api import api, direct

    (operation,) = [each.callback for each in api.urls[0] if str(each.pattern) == "products"]
    return direct(product_list, "GET"), operation


def get(view: View, query: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    from django.db import connections
    from django.test import RequestFactory

    try:
        answer = view(RequestFactory().get(f"/api/products?{query}", headers=headers))
    finally:
        connections.close_all()
    return answer.status_code, dict(answer.headers), json.loads(answer.content or b"null")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("page=2&page_size=7", 200),
        ("page=1000&page_size=100", 200),
        ("page=1&page=2&page_size=5&unknown=1", 200),
        ("category=1&page_size=3", 200),
        ("category=999999", 200),
        ("page=0", 422),
        ("page=1001", 422),
        ("page_size=101", 422),
        ("page=x&page_size=y", 422),
        ("category=", 422),
        (f"category={2**63}", 422),
    ],
)
def test_both_list_and_refuse_the_same(query: str, status: int) -> None:
    told = [get(view, query, authorization=token()) for view in views()]
    assert told[0] == told[1]
    assert told[0][0] == status


def test_both_want_a_token() -> None:
    told = [get(view, "") for view in views()]
    assert told[0] == told[1]
    assert told[0][0] == 401


def test_page_has_what_is_on_sale_in_its_category_and_tells_of_a_next_one(shop: Shop) -> None:
    from service.catalog.models import Category, Product

    category = Category.objects.create(name=uuid.uuid4().hex)
    products = [shop.product(number, 1) for number in range(4)]
    gone, bare = (
        shop.product(9),
        Product.objects.create(sku=uuid.uuid4().hex, name="bare", price="2.50", category=category).pk,
    )
    Product.objects.filter(pk__in=[*products, gone, bare]).update(category=category)
    Product.objects.filter(pk=gone).update(is_active=False)

    def page(number: int) -> Any:
        return get(views()[0], f"category={category.pk}&page_size=2&page={number}", authorization=token())[2]

    assert [(item["id"], item["available"]) for item in page(1)["items"]] == [(products[0], 1), (products[1], 2)]
    assert [page(number)["next_page"] for number in (1, 2, 3, 4)] == [2, 3, None, None]
    assert page(3)["items"] == [
        {
            "id": bare,
            "sku": Product.objects.get(pk=bare).sku,
            "name": "bare",
            "price": "2.50",
            "category": category.name,
            "available": 0,
        }
    ]
    assert page(4)["items"] == []
