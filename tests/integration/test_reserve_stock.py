"""sql/functions/reserve_stock_v1.sql, called as psql would call it."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.integration.shop import Shop, call

MAX_INT = 2_147_483_647
OWNERS_OWN = {"grant_access_v1", "repair_stock_v1", "set_stock_mode_v1"}
# The planner inlines it only without settings; it qualifies every name.
INLINED = {"stock_free_units_v1"}
# A procedure that commits can neither run as its owner nor set anything.
COMMITTING = {"reserve_and_commit_v1"}


def test_reserve_moves_units_and_writes_one_ledger_row(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(5)
    answer = call(pooled, [product], [2], ttl_s=60)
    assert answer.outcome == "reserved"
    assert shop.counters(product) == (3, 2, 0)
    row = shop.connection.execute(
        "SELECT r.status, r.quantity, t.delta_available, t.delta_held, t.version, s.version,"
        "       r.expires_at - r.created_at = interval '60 seconds', r.expires_at = %s"
        "  FROM stock_reservation AS r"
        "  JOIN stock_transaction AS t ON t.reservation_id = r.id"
        "  JOIN product_stock AS s ON s.id = r.product_stock_id"
        " WHERE r.order_id = %s",
        [answer.expires_at, answer.order_id],
    ).fetchall()
    assert row == [("held", 2, -2, 2, 2, 2, True, True)]


def test_reserve_is_insufficient_and_writes_nothing_when_stock_is_short(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(1)
    answer = call(pooled, [product], [2])
    assert (answer.outcome, answer.available) == ("insufficient", [1])
    assert shop.counters(product) == (1, 0, 0)
    assert shop.reservations(product) == 0


def test_reserve_takes_the_next_warehouse_when_the_first_is_short(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(1, 3)
    assert call(pooled, [product], [2]).outcome == "reserved"
    assert shop.counters(product) == (2, 2, 0)


def test_cart_is_reserved_whole_or_not_at_all(shop: Shop, pooled: psycopg.Connection) -> None:
    plenty, scarce = shop.product(5), shop.product(1)
    short = call(pooled, [scarce, plenty], [2, 1])
    assert (short.outcome, short.available) == ("insufficient", [1, 5])
    assert shop.counters(plenty) == (5, 0, 0)
    whole = call(pooled, [scarce, plenty, plenty], [1, 2, 1])
    assert whole.outcome == "reserved"
    assert (shop.counters(scarce), shop.counters(plenty)) == ((0, 1, 0), (2, 3, 0))
    assert shop.violations() == []


def test_same_key_replays_and_other_cart_conflicts(shop: Shop, pooled: psycopg.Connection) -> None:
    product, key = shop.product(5), uuid.uuid4().hex
    first = call(pooled, [product], [1], key=key)
    again = call(pooled, [product], [1], key=key)
    assert (again.outcome, again.order_id, again.expires_at) == ("replayed", first.order_id, first.expires_at)
    assert call(pooled, [product], [2], key=key).outcome == "key_conflict"
    assert call(pooled, [product], [1], key=key, user_id=2).outcome == "reserved"
    assert shop.counters(product) == (3, 2, 0)


@pytest.mark.parametrize("quantity", [1, 2])
def test_unknown_and_inactive_products_are_told_apart(shop: Shop, pooled: psycopg.Connection, quantity: int) -> None:
    assert call(pooled, [MAX_INT], [quantity]).outcome == "unknown_product"
    retired = shop.product(1, is_active=False)
    assert call(pooled, [retired], [quantity]).outcome == "inactive_product"
    assert shop.counters(retired) == (1, 0, 0)


@pytest.mark.parametrize(
    ("products", "quantities", "changes", "says"),
    [
        ([1], [0], {}, "at least 1"),
        ([1], [-1], {}, "at least 1"),
        ([], [], {}, "cart has 0 products"),
        ([1] * 101, [1] * 101, {}, "cart has 101 products"),
        ([1, 2], [1], {}, "2 products and 1 quantities"),
        ([None], [1], {}, "no line NULL"),
        ([1], [None], {}, "no line NULL"),
        (None, [1], {}, "no argument may be NULL"),
        ([1], None, {}, "no argument may be NULL"),
        ([1, 1], [MAX_INT, 1], {}, "add up to more"),
        ([1], [1], {"key": "x" * 256}, "256 characters"),
        ([1], [1], {"key": None}, "NULL"),
        ([1], [1], {"user_id": None}, "NULL"),
        ([1], [1], {"ttl_s": 0}, "ttl is 0 s"),
        ([1], [1], {"ttl_s": 86_401}, "ttl is 86401 s"),
        ([1], [1], {"ttl_s": None}, "NULL"),
    ],
)
def test_bad_argument_raises_hr001_and_writes_nothing(
    shop: Shop, pooled: psycopg.Connection, products: Any, quantities: Any, changes: dict[str, Any], says: str
) -> None:
    before = shop.connection.execute("SELECT count(*), sum(version) FROM product_stock").fetchone()
    with pytest.raises(psycopg.Error, match=says) as raised:
        call(pooled, products, quantities, **changes)
    assert raised.value.sqlstate == "HR001"
    assert shop.connection.execute("SELECT count(*), sum(version) FROM product_stock").fetchone() == before


def test_empty_key_raises_hr001(pooled: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error, match="0 characters") as raised:
        pooled.execute("SELECT reserve_stock_v1(gen_random_uuid(), 1, '', '{1}', '{1}', 60)")
    assert raised.value.sqlstate == "HR001"


def test_refusal_answers_while_the_row_is_locked(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(0)
    with shop.connection.transaction():
        shop.connection.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
        with pooled.transaction():
            pooled.execute("SET LOCAL lock_timeout = '1ms'")
            assert call(pooled, [product], [1]).outcome == "insufficient"


def test_acceptance_is_busy_at_lock_timeout_and_writes_nothing(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(1)
    with shop.connection.transaction():
        shop.connection.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
        with pooled.transaction():
            pooled.execute("SET LOCAL lock_timeout = '50ms'")
            assert call(pooled, [product], [1]).outcome == "busy"
    assert (shop.counters(product), shop.reservations(product)) == ((1, 0, 0), 0)


def test_lifetime_counts_from_the_grant_when_the_row_was_locked(
    shop: Shop, connect: Any, pooled: psycopg.Connection
) -> None:
    product = shop.product(1)
    waiter = connect()
    with ThreadPoolExecutor(1) as threads:
        with shop.connection.transaction():
            shop.connection.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
            waiting = threads.submit(call, waiter, [product], [1], ttl_s=10)
            shop.connection.execute("SELECT pg_sleep(0.5)")
            released_at = shop.connection.execute("SELECT clock_timestamp()").fetchone()
        answer = waiting.result(timeout=10)
    assert released_at is not None
    assert (answer.expires_at - released_at[0]).total_seconds() >= 10
    stored = shop.connection.execute(
        "SELECT expires_at, expires_at - created_at FROM stock_reservation WHERE order_id = %s", [answer.order_id]
    ).fetchone()
    assert stored is not None
    assert (stored[0], stored[1].total_seconds()) == (answer.expires_at, 10)


def test_public_may_not_execute_and_the_search_path_is_fixed(direct: psycopg.Connection) -> None:
    rows = direct.execute(
        "SELECT p.proname, p.prosecdef, p.proconfig,"
        "       EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0)"
        "  FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE '%\\_v_'"
    ).fetchall()
    assert rows
    for name, is_definer, settings, is_public in rows:
        # What is granted runs as its owner; the parts that only other functions call do not.
        is_granted = (not name.startswith("stock_") and name not in OWNERS_OWN) or name == "stock_availability_v1"
        assert is_definer is (is_granted and name not in COMMITTING), name
        if name not in INLINED | COMMITTING:
            assert settings[0] == "search_path=pg_catalog, public, pg_temp", name
        assert not is_public, name
