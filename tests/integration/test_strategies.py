"""The invariants of a reservation over each strategy that claims them, as the service calls it, through PgBouncer."""

import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.integration.shop import Shop, call
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack

FROM_PYTHON = ["pessimistic", "optimistic", "conditional"]
FROM_SQL = ["function", "batched", "buckets", "units"]
ALL = FROM_PYTHON + FROM_SQL
# The report's code locks before it looks.
REFUSES_WITHOUT_A_LOCK = ["optimistic", "conditional", *FROM_SQL]
LOCK_NOT_AVAILABLE = "55P03"

Reserve = Callable[..., tuple[str, uuid.UUID | None]]

pytestmark = pytest.mark.usefixtures("django_service")


def through(name: str) -> Reserve:
    """Reserve with a strategy; a lock timeout that it leaves to the API is busy here."""
    from django.db import DatabaseError, connections

    from service.config.environment import StrategyName
    from service.db.sqlstates import sqlstate
    from service.stock.strategies import Request, strategy

    reserve = strategy(StrategyName(name))

    def buy(quantities: dict[int, int], key: str = "", user: int = 1, ttl_s: int = 60) -> tuple[str, Any]:
        request = Request(uuid.uuid4(), user, key or uuid.uuid4().hex, dict(sorted(quantities.items())), ttl_s)
        try:
            result = reserve(request)
            return str(result.outcome), result.order_id
        except DatabaseError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            return "busy", None
        finally:
            if threading.current_thread() is not threading.main_thread():
                connections.close_all()

    return buy


def product_for(shop: Shop, name: str, *units: int, max_per_user: int | None = None) -> int:
    product = shop.product(*units, max_per_user=max_per_user)
    if name in ("buckets", "units"):
        assert shop.ask("set_stock_mode_v1", product, name, 4) == "set"
    return product


@contextmanager
def locked(stack: Stack, *products: int) -> Iterator[None]:
    """Another session has the products' counters, and their free rows."""
    with psycopg.connect(stack.direct) as other:
        other.execute("SELECT 1 FROM product_stock WHERE product_id = ANY (%s) FOR UPDATE", [list(products)])
        yield


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """Start all at the same moment; what each gave."""
    gate = threading.Barrier(len(calls))

    def run(one: Callable[[], Any]) -> Any:
        gate.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@pytest.mark.parametrize("name", ALL)
def test_cart_gives_a_row_for_each_line_or_none(shop: Shop, name: str) -> None:
    products = [product_for(shop, name, units) for units in (5, 1, 5)]
    buy = through(name)
    assert buy(dict.fromkeys(products, 2))[0] == "insufficient"
    assert [shop.reservations(product) for product in products] == [0, 0, 0]
    told, order = buy(dict.fromkeys(products, 1))
    assert (told, shop.statuses(order)) == ("reserved", ["held"] * 3)
    assert [shop.free(product) for product in products] == [4, 0, 4]
    assert shop.violations() == []


@pytest.mark.parametrize("name", ALL)
def test_twenty_calls_with_one_key_give_one_order_twenty_times(shop: Shop, name: str) -> None:
    product, key, buy = product_for(shop, name, 5), uuid.uuid4().hex, through(name)
    told = together([lambda: buy({product: 1}, key)] * 20)
    outcomes = Counter(outcome for outcome, _ in told)
    # Three lost versions are busy: the same key, asked again, gives the order all the same.
    assert outcomes["reserved"] == 1
    assert set(outcomes) <= {"reserved", "replayed"} | ({"busy"} if name == "optimistic" else set())
    (order,) = {order for _, order in told if order is not None}
    assert buy({product: 2}, key)[0] == "key_conflict"
    assert buy({product: 1}, key) == ("replayed", order)
    assert shop.ask("release_reservation_v1", 1, order) == "released"
    assert buy({product: 1}, key) == ("replayed", order)
    assert (shop.free(product), shop.reservations(product)) == (5, 1)


def test_key_still_counts_a_day_after_its_hold_ended(shop: Shop) -> None:
    product, key = shop.product(2), uuid.uuid4().hex
    order = call(shop.connection, [product], [1], key=key).order_id
    shop.make_due(order)
    shop.ask("expire_reservations_v1", 10_000)
    shop.connection.execute(
        "UPDATE stock_reservation SET created_at = created_at - interval '1 day', updated_at = updated_at - interval"
        " '1 day', expires_at = expires_at - interval '1 day' WHERE order_id = %s",
        [order],
    )
    assert call(shop.connection, [product], [1], key=key).order_id == order
    assert call(shop.connection, [product], [2], key=key).outcome == "key_conflict"


def test_lifetime_is_whole_after_a_wait_for_the_lock(stack: Stack, shop: Shop) -> None:
    """All strategies wait for one lock of 1.2 s; the role's lock_timeout is 2 s."""
    waiting = [name for name in ALL if name != "units"]
    products = {name: product_for(shop, name, 5) for name in waiting}
    with ThreadPoolExecutor(len(waiting)) as threads:
        with locked(stack, *products.values()):
            asked = {name: threads.submit(through(name), {product: 1}, ttl_s=100) for name, product in products.items()}
            time.sleep(1.2)
            (granted_at,) = shop._one("SELECT clock_timestamp()")
        for name, told in asked.items():
            outcome, order = told.result()
            assert outcome == "reserved", name
            (left,) = shop._one("SELECT expires_at - %s FROM stock_reservation WHERE order_id = %s", granted_at, order)
            assert 100 <= left.total_seconds() < 101, name


def test_lifetime_is_whole_after_two_seconds_for_one_line_and_many(stack: Stack, shop: Shop) -> None:
    product, other = shop.product(9), shop.product(9)

    def reserve(products: list[int]) -> Any:
        with psycopg.connect(stack.direct, autocommit=True) as connection:
            return call(connection, products, [1] * len(products), ttl_s=100)

    with ThreadPoolExecutor(2) as threads:
        with locked(stack, product):
            asked = [threads.submit(reserve, [product]), threads.submit(reserve, [other, product])]
            time.sleep(2)
            (granted_at,) = shop._one("SELECT clock_timestamp()")
        for one in asked:
            lines = shop.connection.execute(
                "SELECT expires_at - %s, expires_at - created_at FROM stock_reservation WHERE order_id = %s",
                [granted_at, one.result().order_id],
            ).fetchall()
            assert all(100 <= left.total_seconds() < 101 and ttl.total_seconds() == 100 for left, ttl in lines)


@pytest.mark.parametrize("name", FROM_SQL)
def test_fifty_calls_under_a_limit_of_two_give_two_units(shop: Shop, name: str) -> None:
    product, buy = product_for(shop, name, 40, max_per_user=2), through(name)
    user = uuid.uuid4().int % 2**40
    told = together([lambda: buy({product: 1}, user=user)] * 50)
    assert Counter(outcome for outcome, _ in told) == {"reserved": 2, "user_limit": 48}
    for _, order in told:
        if order is not None:
            assert shop.ask("confirm_reservation_v1", user, order, uuid.uuid4().hex) == "confirmed"
    assert buy({product: 1}, user=user)[0] == "user_limit"
    assert shop.ask("join_waitlist_v1", user, product, 1) == "user_limit"
    assert (shop.free(product), shop.violations()) == (38, [])


@pytest.mark.parametrize("name", REFUSES_WITHOUT_A_LOCK)
def test_sold_out_is_told_at_once_while_the_row_is_locked(stack: Stack, shop: Shop, name: str) -> None:
    product, buy = product_for(shop, name, 1), through(name)
    assert buy({product: 1})[0] == "reserved"

    def quickest() -> float:
        """Of 20, in seconds: the others tell how busy this machine is."""
        took = []
        for _ in range(20):
            started = time.perf_counter()
            assert buy({product: 1})[0] == "insufficient"
            took.append(time.perf_counter() - started)
        return min(took)

    free = quickest()
    with locked(stack, product):
        # 5 ms, or what the same refusal takes here with nobody holding the row: a busy machine takes longer for both.
        assert quickest() < max(0.005, 2 * free)


def test_locked_row_is_busy_at_lock_timeout_and_nothing_is_written(stack: Stack, shop: Shop) -> None:
    waiting = [name for name in ALL if name != "units"]
    products = {name: product_for(shop, name, 5) for name in waiting}
    # As many at a time as PgBouncer has servers: the others would wait for a server, and not for the row.
    servers = min(KIT.pool_size, int(os.environ.get("HOTROW_TEST_POOL_SIZE", KIT.pool_size)))
    with locked(stack, *products.values()):
        for start in range(0, len(waiting), servers):
            started = time.monotonic()
            chosen = waiting[start : start + servers]
            told = together([lambda name=name: through(name)({products[name]: 1}) for name in chosen])  # type: ignore[misc]
            assert told == [("busy", None)] * len(chosen)
            assert 1.9 < time.monotonic() - started < 4
    for name, product in products.items():
        assert (shop.free(product), shop.reservations(product)) == (5, 0), name


@pytest.mark.parametrize("name", FROM_SQL)
def test_reservation_is_one_statement(stack: Stack, shop: Shop, name: str) -> None:
    product, buy = product_for(shop, name, 50), through(name)
    assert buy({product: 1})[0] == "reserved"
    called = statements(stack, lambda: [buy({product: 1}) for _ in range(10)])
    assert list(called.values()) == [10], called
    assert "reserve_" in next(iter(called))


def test_every_other_operation_is_one_statement(stack: Stack, shop: Shop) -> None:
    from service.stock import availability, orders, supply, waitlist

    product, sold_out = shop.product(9), shop.product(0)
    first, second = (call(shop.connection, [product], [1]).order_id for _ in range(2))
    assert first is not None
    assert second is not None
    operations: list[Callable[[], object]] = [
        lambda: orders.extend(1, first),
        lambda: orders.begin_payment(1, first),
        lambda: orders.confirm(1, first, uuid.uuid4().hex),
        lambda: orders.release(1, second),
        lambda: orders.lines(1, first),
        lambda: supply.restock(uuid.uuid4().hex, product, "MAIN", 1),
        lambda: availability.availability([product, sold_out]),
        lambda: waitlist.join(1, sold_out, 1),
        lambda: waitlist.leave(1, sold_out),
    ]
    for operation in operations:
        called = statements(stack, operation)
        # A read asks in the same message where the server is.
        beside = [query for query in called if "pg_is_in_recovery()" in query]
        assert list(called.values()) == [1] * (1 + len(beside)), called
        assert len(beside) == (operation is operations[-3]), called


def statements(stack: Stack, operation: Callable[[], object]) -> dict[str, int]:
    """The statements that the service's role sent for an operation, and how often."""
    counted = (
        "SELECT query, sum(calls)::bigint FROM pg_stat_statements AS s JOIN pg_roles AS r ON r.oid = s.userid"
        " WHERE r.rolname = 'hotrow_lab' AND s.toplevel GROUP BY query"
    )
    with psycopg.connect(stack.superuser, dbname="hotrow", autocommit=True) as superuser:
        before = dict(superuser.execute(counted).fetchall())
        operation()
        after = dict(superuser.execute(counted).fetchall())
    return {query: calls - before.get(query, 0) for query, calls in after.items() if calls != before.get(query)}


@pytest.mark.parametrize("told", [0, 1_000])
@pytest.mark.parametrize("name", ALL)
def test_admission_does_not_believe_the_cache(shop: Shop, name: str, told: int) -> None:
    import json

    from service.cache.answers import answers
    from service.cache.entry import Entry
    from service.stock import availability

    product, buy = product_for(shop, name, 1), through(name)

    def lie() -> None:
        key, tag = f"stock:available:{product}", f"stock:{product}"
        deadline = time.monotonic() + 5
        # Once Redis knows of the change, which on a busy machine may take longer than a reader waits for it.
        while True:
            answers().changed([tag])
            answers().get(key, tag, availability.LIFETIME, lambda least: Entry.of(1, b'{"available":%d}' % told))
            if json.loads(availability.availability_of(product).body) == {"available": told}:
                return
            assert time.monotonic() < deadline, "the cache does not lie"

    lie()
    assert buy({product: 1})[0] == "reserved"
    lie()
    assert buy({product: 1})[0] == "insufficient"
