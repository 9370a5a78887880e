"""A direct route is answered as by Django's own handler, and leaves its connections as that does."""

import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.shop import Shop

pytestmark = pytest.mark.usefixtures("django_service")
Answer = tuple[str, dict[str, str], Any]


def environ(path: str, method: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        # Else each gets another, and tells of it.
        "HTTP_X_REQUEST_ID": "the-same-for-both",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }


def ask(handler: Any, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """Call a handler as gunicorn does."""
    told: list[Any] = []
    answer = handler(environ(path, method, body, headers), lambda status, lines, *rest: told.extend([status, lines]))
    try:
        raw = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    is_json = dict(told[1]).get("Content-Type", "").endswith("json")
    return told[0], dict(told[1]), json.loads(raw) if is_json else raw


def handlers() -> tuple[Any, Any]:
    from django.core.handlers.wsgi import WSGIHandler

    from service.config.handler import Handler

    return Handler(), WSGIHandler()


def token() -> str:
    from service.accounts import tokens

    return f"Bearer {tokens.issue(1).text}"


def cart(*products: int) -> bytes:
    return json.dumps({"lines": [{"product_id": each, "quantity": 1} for each in products]}).encode()


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("/api/products", "GET", b"", "200"),
        ("/api/products?page=2&page_size=3", "GET", b"", "200"),
        ("/api/products?page=x", "GET", b"", "422"),
        ("/api/products", "POST", b"", "405"),
        ("/api/reservations", "GET", b"", "405"),
        ("/api/reservations", "POST", b"{", "400"),
        ("/api/reservations", "POST", cart(), "422"),
        ("/api/reservations", "POST", cart(2**62), "404"),
        ("/api/reservations/", "POST", cart(1), "404"),
        ("/api/products/4611686018427387904/availability", "GET", b"", "404"),
        ("/api/products/x/availability", "GET", b"", "422"),
        ("/api/products/\xc3\xa9/availability", "GET", b"", "422"),
        ("/api/products/1/2/availability", "GET", b"", "404"),
        ("/api/products//availability", "GET", b"", "404"),
        ("//api/products", "GET", b"", "404"),
        ("/healthz", "GET", b"", "200"),
    ],
)
def test_both_answer_the_same(path: str, method: str, body: bytes, status: str) -> None:
    headers = {"authorization": token(), "idempotency-key": uuid.uuid4().hex}
    ours, django = (ask(handler, path, method, body, **headers) for handler in handlers())
    assert ours == django
    assert ours[0].startswith(status)


@pytest.mark.parametrize("path", ["/api/products", "/api/reservations"])
def test_both_want_a_token_and_a_host(path: str) -> None:
    for headers in ({}, {"authorization": "Bearer x.y.z"}, {"authorization": token(), "host": "elsewhere.example"}):
        ours, django = (ask(handler, path, "POST", cart(1), **headers) for handler in handlers())
        assert ours == django
        assert ours[0][:3] in {"400", "401", "405"}


def test_a_reservation_and_its_replay(shop: Shop) -> None:
    products = [shop.product(2), shop.product(2)]
    headers = {"authorization": token(), "idempotency-key": uuid.uuid4().hex}
    ours, django = (ask(handler, "/api/reservations", "POST", cart(*products), **headers) for handler in handlers())
    assert ours[0] == django[0] == "201 Created"
    assert ours[2] == django[2]
    assert django[1].pop("Idempotency-Replayed") == "true"
    assert ours[1] == django[1]


def test_a_cookie_of_a_middleware_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, django = handlers()
    for handler in (ours, django):
        chain = handler._middleware_chain

        def baked(request: Any, chain: Callable[[Any], Any] = chain) -> Any:
            response = chain(request)
            response.set_cookie("seen", "1", httponly=True)
            return response

        monkeypatch.setattr(handler, "_middleware_chain", baked)
    found = [ask(handler, "/api/products", authorization=token())[1]["Set-Cookie"] for handler in (ours, django)]
    assert found[0] == found[1].strip()
    assert found[0].startswith("seen=1; HttpOnly")


@pytest.mark.parametrize(("path", "signals"), [("/api/products", 0), ("/healthz", 2)])
def test_only_direct_routes_are_spared_the_signals(path: str, signals: int) -> None:
    from django.core.signals import request_finished, request_started

    heard: list[object] = []

    def hear(**signal: object) -> None:
        heard.append(signal["signal"])

    for each in (request_started, request_finished):
        each.connect(hear)
    try:
        ask(handlers()[0], path, authorization=token())
    finally:
        for each in (request_started, request_finished):
            each.disconnect(hear)
    assert len(heard) == signals


def test_direct_routes_are_found_as_the_resolver_finds_them() -> None:
    from django.urls import get_resolver

    from service.config.handler import Routes

    routes = Routes(get_resolver().url_patterns)
    for path in ("/api/products", "/api/reservations", "/api/products/7/availability"):
        ours, django = routes.match(path), get_resolver().resolve(path)
        assert ours is not None
        assert (ours.func, ours.args, ours.kwargs, ours.route) == (
            django.func,
            django.args,
            django.kwargs,
            django.route,
        )
    for path in ("", "/", "/healthz", "/api/orders", "api/products", "/api/products/"):
        assert routes.match(path) is None


def test_with_debug_every_request_goes_djangos_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    from service.config.handler import Handler

    for is_debug in (True, False):
        monkeypatch.setattr(settings, "DEBUG", is_debug)
        assert (Handler()._routes.match("/api/products") is None) is is_debug


def test_the_diagnosis_knows_the_routes_of_the_scenario() -> None:
    """Else its split has nothing to say of a request: the routes are the labels of the service's metrics."""
    from django.urls import get_resolver

    from tuning.diagnose.split import KIT_ROUTES
    from tuning.load.scenario import REQUEST_NAMES

    paths = ("/api/auth/token", "/api/products", "/api/products/1/availability", "/api/reservations")
    found = [get_resolver().resolve(path).route for path in paths]
    assert [KIT_ROUTES[name] for name in REQUEST_NAMES] == found


def test_a_connection_that_failed_is_replaced_before_the_request(shop: Shop) -> None:
    from django.db import connections

    alias = connections["default"]
    for handler in handlers():
        alias.ensure_connection()
        alias.errors_occurred = True
        alias.connection.close()
        assert ask_by_default(handler, shop)[0] == "201 Created"
        connections.close_all()


def test_a_connection_that_is_too_old_is_closed_after_the_request(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    alias = connections["default"]
    for handler in handlers():
        for age, is_kept in ((0, False), (60, True)):
            monkeypatch.setitem(alias.settings_dict, "CONN_MAX_AGE", age)
            connections.close_all()
            assert ask_by_default(handler, shop)[0] == "201 Created"
            assert (alias.connection is not None) is is_kept
    connections.close_all()


def ask_by_default(handler: Any, shop: Shop) -> Answer:
    """Reserve two products, which goes by the connection of Django's default alias and not by the lane."""
    headers = {"authorization": token(), "idempotency-key": uuid.uuid4().hex}
    return ask(handler, "/api/reservations", "POST", cart(shop.product(1), shop.product(1)), **headers)
