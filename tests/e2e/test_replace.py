"""Mode replace over HTTP: a buyer's new cart takes the place of the buyer's own holds."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.client import Answer, Client
from tests.integration.shop import Shop
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack


@pytest.fixture
def shop(stack: Stack) -> Any:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        yield Shop(connection)


@pytest.fixture(params=["function", "batched"])
def buyer(stack: Stack, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """A buyer at a service with each strategy that can replace."""
    yield from _buyer(stack, request.param, tmp_path)


@pytest.fixture(params=["pessimistic", "optimistic", "conditional"])
def buyer_of_old(stack: Stack, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """A buyer at a service with each strategy that cannot."""
    yield from _buyer(stack, request.param, tmp_path)


def _buyer(stack: Stack, strategy: str, tmp_path: Path) -> Iterator[Client]:
    port = free_port()
    # Three of them write from Python.
    url = stack.conninfo("lab", "pgbouncer")
    settings = {**stack.service_env(), "DATABASE_URL": url, "STRATEGY": strategy, "WORKERS": "1"}
    child = web.start(tmp_path / "web.log", port, settings)
    try:
        with Client(f"http://{HOST}:{port}") as client:
            client.log_in("user3")
            yield client
    finally:
        child.stop()


def reserve(client: Client, product: int, quantity: int = 1, *, key: str = "", **rest: Any) -> Answer:
    body = {"lines": [{"product_id": product, "quantity": quantity}], **rest}
    return client.post("/api/reservations", body, {"Idempotency-Key": key or uuid.uuid4().hex})


def test_same_cart_with_a_new_key_replaces_the_hold(buyer: Client, shop: Shop) -> None:
    product = shop.product(1)
    first = reserve(buyer, product)
    refused = reserve(buyer, product)
    assert (first.status, refused.status, refused.json["code"]) == (201, 409, "insufficient")
    assert reserve(buyer, product, mode="new").status == 409
    key = uuid.uuid4().hex
    second = reserve(buyer, product, key=key, mode="replace")
    assert second.status == 201
    assert second.json["order_id"] != first.json["order_id"]
    assert shop.counters(product) == (0, 1, 0)
    assert shop.statuses(first.json["order_id"]) == ["released"]
    # The mode is no part of what the key stands for, and a replay replaces nothing.
    for mode in ("replace", "new"):
        again = reserve(buyer, product, key=key, mode=mode)
        assert (again.status, again.body) == (201, second.body)
    assert shop.statuses(second.json["order_id"]) == ["held"]
    assert shop.violations() == []


def test_hold_of_another_buyer_is_not_replaced(stack: Stack, client: Client, shop: Shop) -> None:
    product = shop.product(1)
    theirs = reserve(client, product)
    with Client(stack.url) as other:
        other.log_in("user2")
        refused = reserve(other, product, mode="replace")
    assert (refused.status, refused.json["code"]) == (409, "insufficient")
    assert shop.statuses(theirs.json["order_id"]) == ["held"]
    assert shop.counters(product) == (0, 1, 0)


def test_replacement_that_cannot_be_had_keeps_the_hold(client: Client, shop: Shop) -> None:
    product = shop.product(2)
    first = reserve(client, product)
    assert reserve(client, product, 3, mode="replace").json["code"] == "insufficient"
    assert shop.statuses(first.json["order_id"]) == ["held"]
    assert shop.counters(product) == (1, 1, 0)


def test_strategy_that_cannot_replace_says_so(buyer_of_old: Client, shop: Shop) -> None:
    product = shop.product(1)
    refused = reserve(buyer_of_old, product, mode="replace")
    assert (refused.status, refused.json["code"]) == (501, "mode_not_supported")
    assert shop.counters(product) == (1, 0, 0)
    # The control: what it can do, it does.
    assert reserve(buyer_of_old, product).status == 201


@pytest.mark.parametrize("mode", ["", "REPLACE", "merge", None, 1])
def test_unknown_mode_is_refused(client: Client, shop: Shop, mode: Any) -> None:
    answer = reserve(client, shop.product(1), mode=mode)
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")
