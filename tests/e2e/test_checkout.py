"""A checkout over HTTP: the service, a worker, beat and a payment provider."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.client import Client
from tests.integration.parts import PATIENCE_S, Parts, Provider
from tests.integration.shop import Shop
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

FINAL = ("confirmed", "refused", "voided")


@pytest.fixture(scope="module")
def provider(stack: Stack) -> Iterator[Provider]:
    made = Provider(stack)
    yield made
    made.child.stop()


@pytest.fixture(scope="module")
def url(stack: Stack, provider: Provider) -> Iterator[str]:
    """The service with a payment provider, and what works for it."""
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        connection.execute("UPDATE stock_outbox SET delivered_at = now() WHERE delivered_at IS NULL")
    parts, port = Parts(stack, provider.url), free_port()
    parts.worker()
    parts.beat()
    child = web.start(stack.paths.log("web-checkout"), port, {**parts.env, "WORKERS": "1"})
    yield f"http://{HOST}:{port}"
    child.stop()
    parts.end()


@pytest.fixture
def buyer(url: str) -> Iterator[Client]:
    with Client(url) as made:
        assert made.log_in("user1").status == 200
        yield made


@pytest.fixture
def shop(stack: Stack) -> Any:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        yield Shop(connection)


def await_final(buyer: Client, path: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while (answer := buyer.get(path)).json["status"] not in FINAL:
        assert answer.headers["Retry-After"] == "1"
        assert time.monotonic() < deadline, answer.json
        time.sleep(0.05)
    assert answer.status == 200
    assert "Retry-After" not in answer.headers
    return answer.json


def test_order_is_paid_in_the_background(buyer: Client, shop: Shop, provider: Provider) -> None:
    order = buyer.reserve(shop.product(1), 1).json["order_id"]
    path = f"/api/orders/{order}/checkout"
    assert (buyer.get(path).status, buyer.get(path).json["code"]) == (404, "not_found")
    accepted = buyer.post(path, {})
    assert (accepted.status, accepted.headers["Location"]) == (202, path)
    assert (accepted.json["status"], accepted.json["amount"]) == ("authorising", "1.00")
    final = await_final(buyer, path)
    assert (final["status"], final["reason"]) == ("confirmed", None)
    assert final["payment_ref"] == provider.authorisations(order)[0]["id"]
    again = buyer.post(path, {})
    assert (again.status, again.json) == (200, final)
    assert [line["status"] for line in buyer.get(f"/api/reservations/{order}").json["lines"]] == ["confirmed"]


def test_declined_payment_gives_the_units_back(buyer: Client, shop: Shop, provider: Provider) -> None:
    product = shop.product(1)
    order = buyer.reserve(product, 1).json["order_id"]
    provider.faults({"at": "authorise", "do": "decline", "times": 1})
    assert buyer.post(f"/api/orders/{order}/checkout", {}).status == 202
    final = await_final(buyer, f"/api/orders/{order}/checkout")
    assert (final["status"], final["reason"], final["payment_ref"]) == ("refused", "declined", None)
    assert shop.counters(product) == (1, 0, 0)


def test_order_that_cannot_be_paid_is_a_problem_document(url: str, buyer: Client, shop: Shop) -> None:
    order = buyer.reserve(shop.product(1), 1).json["order_id"]
    path = f"/api/orders/{order}/checkout"
    with Client(url) as stranger:
        assert (stranger.post(path, {}).status, stranger.get(path).status) == (401, 401)
        stranger.log_in("user2")
        assert (stranger.post(path, {}).status, stranger.get(path).status) == (404, 404)
    buyer.post(f"/api/reservations/{order}/release", {})
    refused = buyer.post(path, {})
    assert (refused.status, refused.json["code"]) == (409, "released")
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_shop_without_a_provider_says_so(client: Client, shop: Shop) -> None:
    order = client.reserve(shop.product(1), 1).json["order_id"]
    refused = client.post(f"/api/orders/{order}/checkout", {})
    assert (refused.status, refused.json["code"]) == (501, "checkout_not_configured")
    assert shop.statuses(order) == ["held"]


def test_checkout_is_in_the_openapi_document(client: Client) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    post = paths["/api/orders/{order_id}/checkout"]["post"]
    assert set(post["responses"]) >= {"200", "202", "401", "404", "409", "501", "503"}
    assert "get" in paths["/api/orders/{order_id}/checkout"]
