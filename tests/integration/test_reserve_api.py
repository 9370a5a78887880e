"""The reservation call past ninja's operation answers as the operation does."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from tests.integration.shop import Shop

pytestmark = pytest.mark.usefixtures("django_service")
View = Callable[[HttpRequest], HttpResponse]


def views() -> tuple[View, View]:
    """The view that is served, and the operation that OpenAPI is made from."""
    from service.config.api import api, direct
    from service.stock.reserve_api import create_reservation

    (operation,) = [each.callback for each in api.urls[0] if str(each.pattern) == "reservations"]
    return direct(create_reservation), operation


def post(view: View, body: Any, **headers: str) -> tuple[int, dict[str, Any], str | None]:
    from django.db import connections
    from django.test import RequestFactory

    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = RequestFactory().post("/api/reservations", data, content_type="application/json", headers=headers)
    try:
        answer = view(request)
    finally:
        connections.close_all()
    found = json.loads(answer.content)
    for varies in ("order_id", "expires_at"):
        if varies in found:
            found[varies] = len(found[varies])
    return answer.status_code, found, answer.headers.get("Idempotency-Replayed")


def token(user_id: int = 1) -> str:
    from service.accounts import tokens

    return f"Bearer {tokens.issue(user_id).text}"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y.z", "Basic dTpw"])
def test_both_want_the_same_token(authorization: str) -> None:
    told = [post(view, {"lines": []}, authorization=authorization) for view in views()]
    assert told[0] == told[1]
    assert told[0][0] == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        ([], 422),
        ({}, 422),
        ({"lines": []}, 422),
        ({"lines": [{"product_id": 1, "quantity": "1"}]}, 422),
        ({"lines": [{"product_id": 1, "quantity": 1.5}]}, 422),
        ({"lines": [{"product_id": 2**63, "quantity": 1}]}, 422),
        ({"lines": [{"product_id": 1, "quantity": 1}], "mode": "other"}, 422),
    ],
)
def test_both_refuse_the_same_bodies(body: Any, status: int) -> None:
    key = {"idempotency-key": uuid.uuid4().hex}
    told = [post(view, body, authorization=token(), **key) for view in views()]
    assert told[0] == told[1]
    assert told[0][0] == status


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_both_want_a_key(key: str) -> None:
    body = {"lines": [{"product_id": 1, "quantity": 1}]}
    told = [post(view, body, authorization=token(), **{"idempotency-key": key}) for view in views()]
    assert told[0] == told[1]
    assert told[0][0] == 400


def test_both_reserve_replay_and_refuse(shop: Shop) -> None:
    told = []
    for view in views():
        product, key = shop.product(2), {"idempotency-key": uuid.uuid4().hex}
        body = {"lines": [{"product_id": product, "quantity": 2}]}
        first, again = (post(view, body, authorization=token(), **key) for _ in range(2))
        refused = post(view, body, authorization=token(), **{"idempotency-key": uuid.uuid4().hex})
        assert [first[0], again[0], refused[0]] == [201, 201, 409]
        assert again[2] == "true"
        told.append(json.dumps([first, again, refused]).replace(str(product), "P"))
    assert told[0] == told[1]


def test_only_post_is_served(shop: Shop) -> None:
    from django.test import RequestFactory

    answer = views()[0](RequestFactory().get("/api/reservations"))
    assert (answer.status_code, json.loads(answer.content)["code"]) == (405, "method_not_allowed")


def test_token_that_was_kept_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.accounts import tokens

    text = tokens.issue(7).text
    assert tokens.verify(text) == 7
    now = tokens.time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 899)
    assert tokens.verify(text) == 7
    monkeypatch.setattr(tokens.time, "time", lambda: now + 901)
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(text)
