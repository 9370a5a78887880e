"""How many statements each call sends to the database, counted by the database."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.client import Client
from tests.integration.shop import Shop
from tuning.stack.stack import Stack

COUNTED = (
    "SELECT s.query, sum(s.calls)::bigint FROM pg_stat_statements AS s JOIN pg_roles AS r ON r.oid = s.userid"
    " WHERE r.rolname = 'hotrow_app' AND s.toplevel GROUP BY s.query"
)


def test_each_call_sends_the_statements_that_it_needs(stack: Stack, client: Client) -> None:
    with (
        psycopg.connect(stack.direct, autocommit=True) as direct,
        psycopg.connect(stack.superuser, dbname="hotrow", autocommit=True) as superuser,
        Client(stack.url) as stranger,
    ):
        shop = Shop(direct)
        product, sold_out = shop.product(50), shop.product(0)
        page = f"/api/products?page_size={1 + uuid.uuid4().int % 100}&page={1 + uuid.uuid4().int % 9}"
        order = client.reserve(product, 1).json["order_id"]
        spare = client.reserve(product, 1).json["order_id"]

        def sent(ask: Callable[[], object]) -> int:
            before = dict(superuser.execute(COUNTED).fetchall())
            ask()
            after = dict(superuser.execute(COUNTED).fetchall())
            return sum(after.values()) - sum(before.values())

        def post(path: str, body: object = None) -> Callable[[], object]:
            return lambda: client.post(path, {} if body is None else body)

        held = {"refresh_token": stranger.log_in("user8").json["refresh_token"]}
        one = f"/api/reservations/{order}"
        look = f"/api/products/{product}/availability"
        calls: list[tuple[str, Callable[[], object], int]] = [
            ("GET /healthz", lambda: client.get("/healthz"), 0),
            ("GET /readyz", lambda: client.get("/readyz"), 1),
            ("POST /api/auth/token", lambda: stranger.log_in("user9"), 2),
            ("POST /api/auth/token/refresh", post("/api/auth/token/refresh", held), 1),
            ("POST /api/auth/token/revoke", post("/api/auth/token/revoke", held), 1),
            # Two in one message: where the server is, and the question.
            ("GET /api/products, cold", lambda: client.get(page), 2),
            ("GET /api/products, kept", lambda: client.get(page), 0),
            ("GET availability, cold", lambda: client.get(look), 2),
            ("GET availability, kept", lambda: client.get(look), 0),
            ("POST /api/availability", post("/api/availability", {"product_ids": [product, sold_out]}), 2),
            ("POST /api/reservations", lambda: client.reserve(product, 1), 1),
            ("GET availability, changed", lambda: client.get(look), 2),
            ("POST /api/reservations, refused", lambda: client.reserve(sold_out, 1), 1),
            ("GET order", lambda: client.get(one), 1),
            ("POST extend", post(f"{one}/extend"), 2),
            ("POST payment", post(f"{one}/payment"), 2),
            ("POST confirm", post(f"{one}/confirm", {"payment_ref": uuid.uuid4().hex}), 2),
            ("POST release", post(f"/api/reservations/{spare}/release", {}), 2),
            ("GET checkout, of which there is none", lambda: client.get(f"/api/orders/{order}/checkout"), 1),
            ("POST checkout, without a provider", post(f"/api/orders/{order}/checkout"), 0),
            ("POST waitlist", post(f"/api/products/{sold_out}/waitlist", {"quantity": 1}), 1),
            ("DELETE waitlist", lambda: client.delete(f"/api/products/{sold_out}/waitlist"), 1),
        ]
        assert {name: sent(ask) for name, ask, _ in calls} == {name: count for name, _, count in calls}
        documented = sum(len(path) for path in client.get("/api/openapi.json").json["paths"].values())
        # Some are counted in more states than one, and two are no part of the API.
        assert documented == len(calls) - 2 - 4


def test_delivery_by_the_feed_is_seen_by_the_service(stack: Stack, client: Client, tmp_path: Path) -> None:
    """Another process changes the stock, tells Redis of it, and ends."""
    with psycopg.connect(stack.direct, autocommit=True) as direct:
        shop = Shop(direct)
        product = shop.product(3)
        (sku,) = direct.execute("SELECT sku FROM product WHERE id = %s", [product]).fetchone() or ("",)

        def free() -> int:
            return int(client.get(f"/api/products/{product}/availability").json["available"])

        assert free() == 3
        feed = tmp_path / "feed.jsonl"
        feed.write_text(json.dumps({"key": uuid.uuid4().hex, "sku": sku, "warehouse": "MAIN", "delta": 4}))
        stack.manage("stock_feed", str(feed))
        assert free() == 7
        # The control: a change that nobody tells of is seen when the answer is over.
        shop.ask("restock_v1", uuid.uuid4().hex, product, "MAIN", 1)
        assert free() == 7


@pytest.mark.parametrize("path", ["/api/products?page_size=3", "/api/products/1/availability"])
def test_client_that_has_the_answer_gets_none(client: Client, path: str) -> None:
    first = client.get(path)
    assert (first.status, first.headers["Cache-Control"]) == (200, "private, no-cache")
    for wanted in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = client.get(path, {"If-None-Match": wanted})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert client.get(path, {"If-None-Match": '"other"'}).body == first.body
