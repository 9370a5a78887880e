"""N units and M buyers at once, over each strategy, through PgBouncer; and mutants that must fail."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.shop import Shop, call
from tuning.stack.stack import Stack

UNITS, BUYERS = 20, 60
THREADS = 12

Reserve = Callable[[int, str], str]
# Optimistic gives up after three tries; all others answer each buyer.
EXACT = ["pessimistic", "conditional", "function", "batched", "buckets", "units"]

pytestmark = pytest.mark.usefixtures("django_service")


def through(name: str) -> Reserve:
    """Reserve one unit with a strategy of the service; an error is an outcome of its own."""
    from django.db import connections

    from service.config.environment import StrategyName
    from service.stock.strategies import Request, strategy

    reserve = strategy(StrategyName(name))

    def buy(product_id: int, key: str) -> str:
        try:
            request = Request(order_id=uuid.uuid4(), user_id=1, key=key, quantities={product_id: 1}, ttl_s=60)
            return str(reserve(request).outcome)
        except Exception as error:  # noqa: BLE001  # whatever it is, the race must see it
            return f"error: {error}"
        finally:
            connections.close_all()

    return buy


def product_for(shop: Shop, name: str) -> int:
    """A product with UNITS units, counted as the strategy wants it."""
    product = shop.product(UNITS)
    if name in ("buckets", "units"):
        assert shop.ask("set_stock_mode_v1", product, name, 4) == "set"
    return product


def race(reserve: Reserve, product_id: int, keys: list[str]) -> Counter[str]:
    """Let every key's buyer start at the same moment and count what each was told."""
    gate = threading.Barrier(THREADS)

    def run(mine: list[str]) -> list[str]:
        gate.wait()
        return [reserve(product_id, key) for key in mine]

    with ThreadPoolExecutor(THREADS) as threads:
        shares = [keys[index::THREADS] for index in range(THREADS)]
        return Counter(outcome for told in threads.map(run, shares) for outcome in told)


def assert_sold_exactly(shop: Shop, product: int, told: Counter[str], units: int, buyers: int) -> None:
    assert told == {"reserved": units, "insufficient": buyers - units}
    assert shop.free(product) == 0
    assert shop.reservations(product) == units
    assert shop.violations() == []


@pytest.mark.parametrize("name", EXACT)
def test_race_sells_exactly_the_units_there_are(shop: Shop, name: str) -> None:
    product = product_for(shop, name)
    told = race(through(name), product, [uuid.uuid4().hex for _ in range(BUYERS)])
    assert_sold_exactly(shop, product, told, UNITS, BUYERS)


def test_optimistic_race_never_oversells_and_says_busy_where_it_lost(shop: Shop) -> None:
    product = shop.product(UNITS)
    told = race(through("optimistic"), product, [uuid.uuid4().hex for _ in range(BUYERS)])
    assert set(told) <= {"reserved", "insufficient", "busy"}
    assert shop.counters(product) == (UNITS - told["reserved"], told["reserved"], 0)
    assert shop.reservations(product) == told["reserved"]
    assert shop.violations() == []


@pytest.mark.parametrize("name", EXACT)
def test_calls_with_one_key_make_one_reservation(shop: Shop, name: str) -> None:
    product = product_for(shop, name)
    told = race(through(name), product, ["one-key-" + uuid.uuid4().hex] * THREADS * 2)
    assert told == {"reserved": 1, "replayed": THREADS * 2 - 1}
    assert (shop.free(product), shop.reservations(product)) == (UNITS - 1, 1)


def test_strategies_replay_each_other(shop: Shop) -> None:
    product, key = shop.product(2), uuid.uuid4().hex
    assert through("pessimistic")(product, key) == "reserved"
    assert through("function")(product, key) == "replayed"
    other, key = shop.product(2), uuid.uuid4().hex
    assert through("function")(other, key) == "reserved"
    assert through("pessimistic")(other, key) == "replayed"


def test_carts_over_the_same_products_never_deadlock(shop: Shop, connect: Callable[[], psycopg.Connection]) -> None:
    products = [shop.product(1_000) for _ in range(5)]
    carts = [products, products[::-1], products[2:] + products[:2], [products[4], products[0]]]

    def buy(index: int) -> set[str]:
        connection = connect()
        return {call(connection, carts[index % 4], [1] * len(carts[index % 4])).outcome for _ in range(25)}

    with ThreadPoolExecutor(8) as threads:
        assert set().union(*threads.map(buy, range(8))) == {"reserved"}
    assert shop.violations() == []


def mutant_function(
    shop: Shop, connect: Callable[[], psycopg.Connection], old: str, new: str, *more: tuple[str, str]
) -> tuple[str, Reserve]:
    """Create a copy of the function with one guard changed, and a way to call it."""
    name = f"mutant_{uuid.uuid4().hex[:12]}"
    source = Path(__file__).parents[2].joinpath("sql/functions/reserve_stock_v1.sql").read_text()
    for before, after in ((old, new), *more):
        assert before in source
        source = source.replace(before, after)
    shop.connection.execute(source.replace("reserve_stock_v1", name))
    local = threading.local()

    def buy(product_id: int, key: str) -> str:
        if not hasattr(local, "connection"):
            local.connection = connect()
        try:
            return call(local.connection, [product_id], [1], key=key, function=name).outcome
        except psycopg.Error as error:
            return f"error: {error.sqlstate}"

    return name, buy


def test_race_fails_without_the_guard(shop: Shop, connect: Any) -> None:
    name, buy = mutant_function(
        shop,
        connect,
        " AND s.available >= v_quantities[1]\n                           AND NOT EXISTS",
        " AND NOT EXISTS",
    )
    product = shop.product(UNITS)
    try:
        told = race(buy, product, [uuid.uuid4().hex for _ in range(BUYERS)])
        with pytest.raises(AssertionError):
            assert_sold_exactly(shop, product, told, UNITS, BUYERS)
    finally:
        shop.connection.execute(f"DROP FUNCTION {name}")


def test_race_fails_for_read_then_write(stack: Stack, shop: Shop, connect: Any) -> None:
    """The guard kept, the counter written from a value that was read before, and no queue that would hide it."""
    name, buy = mutant_function(
        shop,
        connect,
        "SET available = s.available - v_quantities[1]",
        "SET available = (SELECT o.available FROM product_stock AS o WHERE o.id = v_stock_id) - v_quantities[1]",
        ("pg_advisory_xact_lock(c_queue + v_stock_id)", "0"),
    )
    product = shop.product(UNITS)
    try:
        told = race(buy, product, [uuid.uuid4().hex for _ in range(BUYERS)])
        with pytest.raises(AssertionError):
            assert_sold_exactly(shop, product, told, UNITS, BUYERS)
    finally:
        shop.connection.execute(f"DROP FUNCTION {name}")
        # What the mutant broke must not be found by the tests that follow.
        with psycopg.connect(stack.superuser, dbname="hotrow") as cleaner:
            cleaner.execute("SET LOCAL session_replication_role = replica")
            cleaner.execute("DELETE FROM product_stock WHERE product_id = %s", [product])
            for table in ("stock_reservation", "stock_transaction"):
                cleaner.execute(
                    f"DELETE FROM {table} WHERE product_stock_id NOT IN (SELECT id FROM product_stock)"  # type: ignore[arg-type]
                )
