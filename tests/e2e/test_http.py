"""The API over HTTP: gunicorn with gevent, PgBouncer, PostgreSQL."""

import uuid
from typing import Any

import jwt
import psycopg
import pytest

from tests.client import Answer, Client
from tests.integration.shop import Shop
from tuning.bench.tokens import first_key
from tuning.stack.stack import Stack


@pytest.fixture
def shop(stack: Stack) -> Any:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        yield Shop(connection)


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json["code"], answer.json["status"]) == (status, code, status)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_buyer_logs_in_looks_and_reserves(stack: Stack, shop: Shop) -> None:
    product = shop.product(3)
    before = stack.pool_statistics()
    with Client(stack.url) as client:
        assert client.log_in("user2").status == 200
        listed = client.get("/api/products?page_size=2").json
        assert [item["id"] for item in listed["items"]] == [1, 2]
        assert client.get(f"/api/products/{product}/availability").json == {
            "product_id": product,
            "available": 3,
            "version": 1,
        }
        made = client.reserve(product, 2)
        assert made.status == 201
        assert client.get(f"/api/products/{product}/availability").json["available"] == 1
    row = shop.connection.execute(
        "SELECT user_id, quantity, status FROM stock_reservation WHERE order_id = %s", [made.json["order_id"]]
    ).fetchall()
    assert row == [(2, 2, "held")]
    after = stack.pool_statistics()
    assert before is not None
    assert after is not None
    assert after["total_xact_count"] >= before["total_xact_count"] + 5


def test_same_key_gives_the_same_body(client: Client, shop: Shop) -> None:
    product, key = shop.product(3), uuid.uuid4().hex
    first, again = client.reserve(product, 1, key), client.reserve(product, 1, key)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert (first.headers["Idempotency-Replayed"], again.headers["Idempotency-Replayed"]) == (None, "true")
    assert_problem(client.reserve(product, 2, key), 422, "key_conflict")
    assert shop.counters(product) == (2, 1, 0)


def test_refusals_are_problem_documents(client: Client, shop: Shop) -> None:
    product = shop.product(1)
    short = client.reserve(product, 2)
    assert_problem(short, 409, "insufficient")
    assert short.json["available"] == [{"product_id": product, "available": 1}]
    assert_problem(client.reserve(2**40, 1), 404, "unknown_product")
    assert_problem(client.reserve(shop.product(1, is_active=False), 1), 409, "inactive_product")
    assert_problem(client.get(f"/api/products/{2**40}/availability"), 404, "unknown_product")
    assert shop.counters(product) == (1, 0, 0)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"product_id": 1, "quantity": 0}],
        [{"product_id": 1, "quantity": -1}],
        [{"product_id": 1, "quantity": 1.5}],
        [{"product_id": 1, "quantity": "1"}],
        [{"product_id": 1, "quantity": 10**30}],
        [{"product_id": 0, "quantity": 1}],
        [{"product_id": 2**63, "quantity": 1}],
        [{"product_id": None, "quantity": 1}],
        [{"product_id": "1", "quantity": 1}],
        [{"product_id": 1, "quantity": True}],
        [{"quantity": 1}],
        [{"product_id": 1, "quantity": 1}] * 10_000,
        "1",
    ],
)
def test_malformed_cart_is_refused(client: Client, lines: Any) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answer = client.post("/api/reservations", {"lines": lines}, headers)
    # The last but one is larger than a request may be.
    assert answer.status == (400 if isinstance(lines, list) and len(lines) == 10_000 else 422)


def test_number_may_be_written_with_a_point(client: Client, shop: Shop) -> None:
    """To JSON Schema 1.0 is an integer, and so says the OpenAPI document."""
    product = shop.product(2)
    body = {"lines": [{"product_id": product, "quantity": 1.0}]}
    assert client.post("/api/reservations", body, {"Idempotency-Key": uuid.uuid4().hex}).status == 201
    assert shop.counters(product) == (1, 1, 0)


def test_character_that_no_text_of_the_database_holds_is_refused(client: Client, shop: Shop) -> None:
    order = client.reserve(shop.product(1), 1).json["order_id"]
    path = f"/api/reservations/{order}/confirm"
    assert_problem(client.post(path, {"payment_ref": "a\x00b"}), 422, "invalid_request")
    assert_problem(client.log_in("user\x001"), 422, "invalid_request")
    assert client.post(path, {"payment_ref": uuid.uuid4().hex}).status == 200


def test_method_that_is_not_allowed_names_the_one_that_is(client: Client) -> None:
    for path, method in (("/api/reservations", "POST"), ("/api/products", "GET")):
        answer = client.delete(path)
        assert (answer.status, answer.headers["Allow"]) == (405, method)


@pytest.mark.parametrize(("key", "code"), [("", "missing_idempotency_key"), ("k" * 256, "invalid_idempotency_key")])
def test_key_of_wrong_length_is_refused(client: Client, key: str, code: str) -> None:
    body = {"lines": [{"product_id": 1, "quantity": 1}]}
    assert_problem(client.post("/api/reservations", body, {"Idempotency-Key": key}), 400, code)


def test_wrong_password_and_unknown_user_look_the_same(stack: Stack) -> None:
    with Client(stack.url) as client:
        wrong, unknown = client.log_in("user1", "wrong"), client.log_in("nobody-here", "wrong")
    assert_problem(wrong, 401, "invalid_credentials")
    # But for the ids of the two requests.
    assert {**wrong.json, "request_id": ""} == {**unknown.json, "request_id": ""}
    assert len(wrong.body) == len(unknown.body)


def test_without_a_valid_token_nothing_is_served(stack: Stack, client: Client) -> None:
    kid, key = first_key(stack.service_env()["JWT_KEYS"])
    claims = jwt.decode(client.token or "", key, algorithms=["HS256"], audience="hotrow")
    typed = {"typ": "at+jwt", "kid": kid}
    forged = {
        "none": jwt.encode(claims, "", algorithm="none", headers=typed),
        "other key": jwt.encode(claims, "x" * 32, algorithm="HS256", headers=typed),
        "other algorithm": jwt.encode(claims, key * 2, algorithm="HS512", headers=typed),
        "other type": jwt.encode(claims, key, algorithm="HS256"),
        "expired": jwt.encode({**claims, "exp": 1}, key, algorithm="HS256", headers=typed),
        "other audience": jwt.encode({**claims, "aud": "shop"}, key, algorithm="HS256", headers=typed),
        "other issuer": jwt.encode({**claims, "iss": "shop"}, key, algorithm="HS256", headers=typed),
        "no subject": jwt.encode({**claims, "sub": "x"}, key, algorithm="HS256", headers=typed),
        "garbage": "garbage",
    }
    for name in ("exp", "iat", "iss", "aud", "sub", "jti"):
        rest = {key: value for key, value in claims.items() if key != name}
        forged[f"without {name}"] = jwt.encode(rest, key, algorithm="HS256", headers=typed)
    with Client(stack.url) as stranger:
        for what, token in forged.items():
            stranger.token = token
            answer = stranger.get("/api/products")
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), what
        # The control: the same claims, signed as they should be, are accepted.
        stranger.token = jwt.encode(claims, key, algorithm="HS256", headers=typed)
        assert stranger.get("/api/products").status == 200


def test_pages_cover_the_catalog_once(client: Client) -> None:
    seen: list[int] = []
    page: int | None = 1
    while page is not None and page <= 10:
        answer = client.get(f"/api/products?page={page}&page_size=100&category=1").json
        seen += [item["id"] for item in answer["items"]]
        page = answer["next_page"]
    assert len(seen) == len(set(seen)) >= 125
    assert seen == sorted(seen)


@pytest.mark.parametrize("query", ["page=0", "page=1001", "page_size=0", "page_size=101", "page=x", "category=0"])
def test_bad_page_is_refused(client: Client, query: str) -> None:
    assert_problem(client.get(f"/api/products?{query}"), 422, "invalid_request")


def test_health_and_openapi_need_no_token(stack: Stack) -> None:
    with Client(stack.url) as client:
        assert client.get("/healthz").json == {"status": "ok"}
        ready = client.get("/readyz").json
        assert (ready["database"], ready["cache"]) == ("ok", "ok")
        assert set(ready["pool"]) == {"pool_size", "pool_available", "requests_waiting"}
        paths = client.get("/api/openapi.json").json["paths"]
    assert set(paths) == {
        *(f"/api/auth/token{verb}" for verb in ("", "/refresh", "/revoke")),
        "/api/products",
        "/api/products/{product_id}/availability",
        "/api/products/{product_id}/waitlist",
        "/api/availability",
        "/api/orders/{order_id}/checkout",
        "/api/reservations",
        "/api/reservations/{order_id}",
        *(f"/api/reservations/{{order_id}}/{verb}" for verb in ("payment", "extend", "confirm", "release")),
    }
