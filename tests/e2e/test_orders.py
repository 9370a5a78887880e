"""An order's life over HTTP."""

import uuid
from typing import Any

import psycopg
import pytest

from tests.client import Answer, Client
from tests.integration.shop import Shop
from tuning.stack.stack import Stack


@pytest.fixture
def shop(stack: Stack) -> Any:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        yield Shop(connection)


def reserve(client: Client, *products: int) -> str:
    body = {"lines": [{"product_id": product, "quantity": 1} for product in products]}
    made = client.post("/api/reservations", body, {"Idempotency-Key": uuid.uuid4().hex})
    assert made.status == 201
    return str(made.json["order_id"])


def statuses(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [line["status"] for line in answer.json["lines"]]


def test_order_is_paid_and_confirmed(client: Client, shop: Shop) -> None:
    product, payment = shop.product(2), f"pay-{uuid.uuid4()}"
    order = reserve(client, product)
    path = f"/api/reservations/{order}"
    assert statuses(client.get(path)) == ["held"]
    assert statuses(client.post(f"{path}/extend", {})) == ["held"]
    assert statuses(client.post(f"{path}/payment", {})) == ["paying"]
    for _ in range(2):
        assert statuses(client.post(f"{path}/confirm", {"payment_ref": payment})) == ["confirmed"]
    again = client.post(f"{path}/confirm", {"payment_ref": "another"})
    assert (again.status, again.json["code"]) == (409, "duplicate_payment")
    refused = client.post(f"{path}/release", {})
    assert (refused.status, refused.json["code"]) == (409, "confirmed")
    assert shop.counters(product) == (1, 0, 1)


def test_lines_are_released_one_by_one(client: Client, shop: Shop) -> None:
    first, second = shop.product(1), shop.product(1)
    path = f"/api/reservations/{reserve(client, first, second)}"
    assert statuses(client.post(f"{path}/release", {"lines": [2]})) == ["held", "released"]
    assert statuses(client.post(f"{path}/release", {})) == ["released", "released"]
    assert (shop.counters(first), shop.counters(second)) == ((1, 0, 0), (1, 0, 0))


def test_order_of_another_buyer_does_not_exist(stack: Stack, client: Client, shop: Shop) -> None:
    path = f"/api/reservations/{reserve(client, shop.product(1))}"
    with Client(stack.url) as stranger:
        stranger.log_in("user2")
        answers = [stranger.get(path), stranger.post(f"{path}/confirm", {"payment_ref": "p"})]
        answers += [stranger.post(f"{path}/{verb}", {}) for verb in ("payment", "extend", "release")]
    assert [(answer.status, answer.json["code"]) for answer in answers] == [(404, "not_found")] * 5
    assert statuses(client.get(path)) == ["held"]


def test_availability_of_many_products_leaves_out_what_is_unknown(client: Client, shop: Shop) -> None:
    products = [shop.product(n) for n in range(3)]
    answer = client.post("/api/availability", {"product_ids": [*products, 2**40]})
    assert [(each["product_id"], each["available"]) for each in answer.json] == list(
        zip(products, range(3), strict=True)
    )


def test_limit_of_a_product_is_a_problem_document(client: Client, shop: Shop) -> None:
    product = shop.product(5, max_per_user=1)
    assert client.reserve(product, 1).status == 201
    refused = client.reserve(product, 1)
    assert (refused.status, refused.json["code"]) == (409, "user_limit")
