"""The waiting list over HTTP."""

from typing import Any

import psycopg
import pytest

from tests.client import Client
from tests.integration.shop import Shop
from tuning.stack.stack import Stack


@pytest.fixture
def shop(stack: Stack) -> Any:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        yield Shop(connection)


def path(product: int) -> str:
    return f"/api/products/{product}/waitlist"


def test_buyers_wait_in_order_and_leave(stack: Stack, client: Client, shop: Shop) -> None:
    product = shop.product(0)
    joined = client.post(path(product), {"quantity": 1})
    assert (joined.status, joined.json) == (201, {"outcome": "waiting", "place": 1})
    with Client(stack.url) as second:
        second.log_in("user2")
        assert second.post(path(product), {"quantity": 1}).json == {"outcome": "waiting", "place": 2}
        assert client.post(path(product), {"quantity": 5}).json == {"outcome": "already_waiting", "place": 1}
        left = client.delete(path(product))
        assert (left.status, left.body) == (204, b"")
        again = client.delete(path(product))
        assert (again.status, again.json["code"]) == (404, "not_waiting")
        assert second.post(path(product), {"quantity": 1}).json == {"outcome": "already_waiting", "place": 1}


def test_delivery_goes_to_who_waits(client: Client, shop: Shop) -> None:
    product = shop.product(0)
    client.post(path(product), {"quantity": 1})
    assert shop.ask("restock_v1", f"delivery-{product}", product, "MAIN", 1) == "applied"
    assert shop.counters(product) == (0, 1, 0)
    assert client.delete(path(product)).status == 404


def test_free_units_are_held_at_once(client: Client, shop: Shop) -> None:
    product = shop.product(2)
    assert client.post(path(product), {"quantity": 2}).json == {"outcome": "offered", "place": None}
    assert shop.counters(product) == (0, 2, 0)


def test_products_that_cannot_be_waited_for_are_named(client: Client, shop: Shop) -> None:
    unknown = client.post(path(2**40), {"quantity": 1})
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_product")
    inactive = client.post(path(shop.product(0, is_active=False)), {"quantity": 1})
    assert (inactive.status, inactive.json["code"]) == (409, "inactive_product")
    limited = client.post(path(shop.product(0, max_per_user=2)), {"quantity": 3})
    assert (limited.status, limited.json["code"]) == (409, "user_limit")


@pytest.mark.parametrize("quantity", [0, -1, 10_001, "1", 1.5, None])
def test_bad_quantity_is_refused(client: Client, shop: Shop, quantity: Any) -> None:
    answer = client.post(path(shop.product(0)), {"quantity": quantity})
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")


def test_waiting_needs_a_token(stack: Stack, shop: Shop) -> None:
    with Client(stack.url) as stranger:
        assert stranger.post(path(shop.product(0)), {"quantity": 1}).status == 401
        assert stranger.delete(path(shop.product(0))).status == 401


def test_openapi_tells_of_every_answer(client: Client) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    join = paths["/api/products/{product_id}/waitlist"]["post"]["responses"]
    assert set(join) == {"201", "400", "401", "404", "409", "422", "503"}
    reserve = paths["/api/reservations"]["post"]["responses"]["409"]["content"]["application/problem+json"]
    assert reserve["schema"]["properties"]["code"]["enum"] == ["insufficient", "inactive_product", "user_limit"]
    assert "204" in paths["/api/products/{product_id}/waitlist"]["delete"]["responses"]
