"""The admin over HTTP: who may enter, what changes stock, and what nobody can change."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.browser import Browser, hidden_fields
from tests.client import Client
from tests.integration.shop import Shop, call
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

PASSWORD = "correct-horse-battery"
RESTOCK = "/admin/stock/productstock/restock/"
FINAL = ("stocktransaction", "stockreservation", "productstock")


@pytest.fixture(scope="module")
def root_name(stack: Stack) -> str:
    """A superuser, made as an operator makes the first."""
    name = f"root-{uuid.uuid4().hex[:8]}"
    settings = {**stack.service_env(), "DATABASE_URL": stack.direct}
    env = {**os.environ, **{f"HOTROW_{key}": value for key, value in settings.items()}}
    subprocess.run(
        [sys.executable, "-m", "service.manage", "createsuperuser", "--noinput", "--username", name, "--email", ""],
        env={**env, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        check=True,
        capture_output=True,
    )
    return name


@pytest.fixture(scope="module")
def url(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that serves the admin."""
    port = free_port()
    log = tmp_path_factory.mktemp("admin") / "web.log"
    settings = {"DATABASE_URL": stack.conninfo("admin", "pgbouncer"), "ADMIN": "true", "WORKERS": "1"}
    child = web.start(log, port, {**stack.service_env(), **settings})
    yield f"http://{HOST}:{port}"
    child.stop()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def shop(stack: Stack) -> Any:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        yield Shop(connection)


@pytest.fixture
def root(url: str, root_name: str) -> Iterator[Browser]:
    """A superuser who has logged in."""
    with Browser(url) as browser:
        assert browser.log_in(root_name, PASSWORD).status == 302
        yield browser


@pytest.fixture
def viewer(url: str, shop: Shop, root_name: str) -> Iterator[Browser]:
    """A member of staff who may look at stock, and has logged in."""
    name = f"viewer-{uuid.uuid4().hex[:8]}"
    shop.connection.execute(
        "INSERT INTO account_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,"
        " date_joined) SELECT password, false, %s, '', '', '', true, true, now() FROM account_user WHERE username = %s",
        [name, root_name],
    )
    shop.connection.execute(
        "INSERT INTO account_user_user_permissions (user_id, permission_id)"
        " SELECT u.id, p.id FROM account_user AS u CROSS JOIN auth_permission AS p"
        " WHERE u.username = %s AND p.codename = 'view_productstock'",
        [name],
    )
    with Browser(url) as browser:
        assert browser.log_in(name, PASSWORD).status == 302
        yield browser


def sku(shop: Shop, product: int) -> str:
    row = shop.connection.execute("SELECT sku FROM product WHERE id = %s", [product]).fetchone()
    assert row is not None
    return str(row[0])


def counter(shop: Shop, product: int) -> int:
    row = shop.connection.execute("SELECT min(id) FROM product_stock WHERE product_id = %s", [product]).fetchone()
    assert row is not None
    return int(row[0])


def last_row(shop: Shop, product: int) -> tuple[Any, ...]:
    row = shop.connection.execute(
        "SELECT kind, delta_available, coalesce(feed_key, '') FROM stock_transaction WHERE product_stock_id = %s"
        " ORDER BY id DESC LIMIT 1",
        [counter(shop, product)],
    ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("path", ["/admin/", "/admin", "/admin/login/", "/static/admin/css/base.css"])
def test_admin_is_there_only_where_it_is_switched_on(stack: Stack, url: str, path: str) -> None:
    with Browser(stack.url) as browser:
        assert browser.get(path).status == 404
        assert browser.set_cookies == []
    with Browser(url) as browser:
        assert browser.get(path).status in {200, 302}


def test_api_beside_the_admin_asks_for_no_cookie(url: str) -> None:
    with Client(url) as client:
        assert client.log_in("user1").status == 200
        assert client.get("/api/products").headers["Set-Cookie"] is None


@pytest.mark.parametrize(("name", "password"), [("user1", "flash-sale"), ("", PASSWORD), (None, "wrong")])
def test_only_staff_with_the_password_enter(url: str, root_name: str, name: str | None, password: str) -> None:
    with Browser(url) as browser:
        assert browser.log_in(root_name if name is None else name, password).status == 200
        assert browser.get("/admin/").status == 302
        assert "sessionid" not in browser.cookies


def test_cookies_are_for_the_admin_over_tls_alone(root: Browser) -> None:
    assert set(root.cookies) == {"sessionid", "csrftoken"}
    for line in root.set_cookies:
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/admin"} <= set(line.split("; "))


def test_restock_changes_the_counter_and_the_ledger_once(root: Browser, shop: Shop, root_name: str) -> None:
    product = shop.product(5)
    form = {**root.hidden(RESTOCK), "sku": sku(shop, product), "warehouse": "MAIN", "delta": "3"}
    sent = root.post(RESTOCK, form)
    assert (sent.status, sent.headers["Location"]) == (
        302,
        f"/admin/stock/productstock/{counter(shop, product)}/change/",
    )
    assert shop.counters(product) == (8, 0, 0)
    kind, delta, key = last_row(shop, product)
    assert (kind, delta) == ("restock", 3)
    (user,) = shop.connection.execute("SELECT id FROM account_user WHERE username = %s", [root_name]).fetchone() or (0,)
    assert key.startswith(f"admin:{user}:")
    assert root.post(RESTOCK, form).status == 302
    assert shop.counters(product) == (8, 0, 0)
    # The control: the form opened anew is another change.
    assert root.submit(RESTOCK, sku=sku(shop, product), warehouse="MAIN", delta="3").status == 302
    assert shop.counters(product) == (11, 0, 0)
    assert shop.violations() == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"delta": "-3"}, "Fewer units are free than should go."),
        ({"delta": "0"}, "A change of 0 changes nothing."),
        ({"delta": "1.5"}, "Enter a whole number."),
        ({"sku": "no-such-sku"}, "There is no such product."),
        ({"warehouse": "NOWHERE"}, "Select a valid choice."),
    ],
)
def test_restock_that_cannot_be_done_says_why(root: Browser, shop: Shop, fields: dict[str, str], says: str) -> None:
    product = shop.product(5)
    call(shop.connection, [product], [3])
    answer = root.submit(RESTOCK, **{"sku": sku(shop, product), "warehouse": "MAIN", "delta": "1", **fields})
    assert answer.status == 200
    assert says in answer.body.decode()
    assert shop.counters(product) == (2, 3, 0)


def test_adjustment_is_for_the_counter_that_was_seen(root: Browser, shop: Shop) -> None:
    product = shop.product(5)
    path = f"/admin/stock/productstock/{counter(shop, product)}/adjust/"
    stale = root.hidden(path)
    assert root.submit(path, available="9").status == 302
    assert last_row(shop, product)[:2] == ("adjust", 4)
    refused = root.post(path, {**stale, "available": "1"})
    assert "The counter has changed" in refused.body.decode()
    assert shop.counters(product) == (9, 0, 0)


def test_forms_need_their_csrf_token(root: Browser, shop: Shop) -> None:
    product = shop.product(5)
    form = {**root.hidden(RESTOCK), "sku": sku(shop, product), "warehouse": "MAIN", "delta": "3"}
    without = {name: value for name, value in form.items() if name != "csrfmiddlewaretoken"}
    assert root.post(RESTOCK, without).status == 403
    assert shop.counters(product) == (5, 0, 0)
    assert root.post(RESTOCK, form).status == 302


def test_staff_without_the_right_look_and_change_nothing(viewer: Browser, shop: Shop) -> None:
    product = shop.product(5)
    listed = viewer.get("/admin/stock/productstock/")
    assert listed.status == 200
    assert b"Restock" not in listed.body
    token = viewer.hidden("/admin/stock/productstock/")
    form = {**token, "number": str(uuid.uuid4()), "sku": sku(shop, product), "warehouse": "MAIN", "delta": "3"}
    assert viewer.get(RESTOCK).status == 403
    assert viewer.post(RESTOCK, form).status == 403
    adjust = f"/admin/stock/productstock/{counter(shop, product)}/adjust/"
    assert viewer.post(adjust, {**form, "expected_version": "1", "available": "1"}).status == 403
    assert viewer.get("/admin/stock/stocktransaction/").status == 403
    assert shop.counters(product) == (5, 0, 0)


@pytest.mark.parametrize("model", FINAL)
def test_history_and_counters_cannot_be_changed_by_hand(root: Browser, shop: Shop, model: str) -> None:
    product = shop.product(5)
    order = call(shop.connection, [product], [1]).order_id
    (reservation, transaction) = shop.connection.execute(
        "SELECT id, transaction_id FROM stock_reservation WHERE order_id = %s", [order]
    ).fetchone() or (0, 0)
    row = {"stockreservation": reservation, "stocktransaction": transaction, "productstock": counter(shop, product)}
    path = f"/admin/stock/{model}"
    shown = root.get(f"{path}/{row[model]}/change/")
    assert shown.status == 200
    assert b'name="_save"' not in shown.body
    assert b"deletelink" not in shown.body
    token = {"csrfmiddlewaretoken": hidden_fields(shown)["csrfmiddlewaretoken"]}
    changes = {**token, "available": "99", "delta_available": "99", "status": "confirmed", "quantity": "9"}
    for target in (f"{row[model]}/change/", f"{row[model]}/delete/", "add/"):
        assert root.post(f"{path}/{target}", {**changes, "post": "yes"}).status == 403, target
    root.post(f"{path}/", {**token, "action": "delete_selected", "_selected_action": str(row[model]), "post": "yes"})
    assert (shop.counters(product), shop.statuses(order)) == ((4, 1, 0), ["held"])
    assert last_row(shop, product)[:2] == ("reserve", -1)
    assert shop.violations() == []


def test_product_is_made_priced_and_taken_off_sale(root: Browser, shop: Shop) -> None:
    name = f"test-{uuid.uuid4().hex[:20]}"
    fields = {"sku": name, "name": "New", "price": "5.00", "category": "1", "is_active": "on", "max_per_user": ""}
    assert root.submit("/admin/catalog/product/add/", **fields).status == 302
    (product,) = shop.connection.execute("SELECT id FROM product WHERE sku = %s", [name]).fetchone() or (0,)
    assert root.submit(RESTOCK, sku=name, warehouse="MAIN", delta="2").status == 302
    assert shop.counters(product) == (2, 0, 0)
    path = f"/admin/catalog/product/{product}/change/"
    assert root.submit(path, **{**fields, "price": "-1"}).status == 200
    assert root.submit(path, **{**fields, "max_per_user": "3"}).status == 200
    del fields["is_active"]
    assert root.submit(path, **{**fields, "price": "6.50"}).status == 302
    row = shop.connection.execute("SELECT price::text, is_active, max_per_user FROM product WHERE id = %s", [product])
    assert row.fetchone() == ("6.50", False, None)
    assert root.get(f"/admin/catalog/product/{product}/delete/").status == 403


@pytest.mark.parametrize("model", [*FINAL, "warehouse"])
def test_list_takes_few_statements_whatever_it_shows(stack: Stack, root: Browser, shop: Shop, model: str) -> None:
    product = shop.product(100)
    for _ in range(50):
        call(shop.connection, [product], [1])
    before = stack.pool_statistics()
    answer = root.get(f"/admin/stock/{model}/")
    after = stack.pool_statistics()
    assert answer.status == 200
    assert model == "warehouse" or answer.body.count(b'class="field-product') >= 50
    assert before is not None
    assert after is not None
    assert after["total_query_count"] - before["total_query_count"] <= 15


@pytest.mark.parametrize("model", ["stocktransaction", "stockreservation"])
def test_history_is_searched_by_what_has_an_index(root: Browser, shop: Shop, model: str) -> None:
    product = shop.product(5)
    order = call(shop.connection, [product], [1], user_id=7).order_id
    terms = {"stocktransaction": (sku(shop, product), "no-such-key"), "stockreservation": (order, uuid.uuid4())}
    for term, is_found in zip(terms[model], (True, False), strict=True):
        answer = root.get(f"/admin/stock/{model}/?q={term}")
        assert (answer.status, sku(shop, product) in answer.body.decode().split("<tbody>")[-1]) == (200, is_found)


@pytest.mark.parametrize("page", ["accounts/user", "auth/group", "catalog/category", "catalog/product"])
def test_other_pages_open(root: Browser, page: str) -> None:
    assert root.get(f"/admin/{page}/").status == 200
    assert root.get(f"/admin/{page}/add/").status == 200
