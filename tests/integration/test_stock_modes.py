"""Products counted in buckets or by rows: the same outcomes, and no unit lost or made while they are switched."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.integration.shop import Shop, call

MODES = ["counter", "buckets", "units"]
Connect = Callable[[], psycopg.Connection]


def product_in(shop: Shop, mode: str, *units: int, buckets: int = 4, max_per_user: int | None = None) -> int:
    product = shop.product(*units, max_per_user=max_per_user)
    assert shop.ask("set_stock_mode_v1", product, mode, buckets) == "set"
    return product


def version(shop: Shop, product: int) -> int:
    (number,) = shop._one("SELECT version FROM stock_availability_v1(ARRAY[%s::bigint])", product)
    return int(number)


@pytest.mark.parametrize("mode", MODES)
def test_every_unit_can_be_had_however_they_are_split(shop: Shop, pooled: psycopg.Connection, mode: str) -> None:
    product = product_in(shop, mode, 7, 3)
    assert shop.free(product) == 10
    assert call(pooled, [product], [6]).outcome == "reserved"
    short = call(pooled, [product], [5])
    assert (short.outcome, short.available) == ("insufficient", [4])
    assert call(pooled, [product], [4]).outcome == "reserved"
    assert (call(pooled, [product], [1]).outcome, shop.free(product)) == ("insufficient", 0)
    assert shop.violations() == []


@pytest.mark.parametrize("mode", MODES)
def test_units_come_back_and_are_sold_once(shop: Shop, pooled: psycopg.Connection, mode: str) -> None:
    product = product_in(shop, mode, 5)
    orders = [call(pooled, [product], [1]).order_id for _ in range(4)]
    assert shop.ask("release_reservation_v1", 1, orders[0]) == "released"
    assert shop.ask("confirm_reservation_v1", 1, orders[1], uuid.uuid4().hex) == "confirmed"
    shop.make_due(orders[2])
    shop.connection.execute("SELECT expire_reservations_v1(10000)")
    assert shop.ask("confirm_reservation_v1", 1, orders[2], uuid.uuid4().hex) == "expired"
    assert shop.free(product) == 3
    assert shop.connection.execute(
        "SELECT outcome FROM confirm_reservation_v1(%s, %s, %s, NULL, 'reacquire')", [1, orders[2], uuid.uuid4().hex]
    ).fetchone() == ("confirmed",)
    assert (shop.free(product), shop.counters(product)[2]) == (2, 2)
    assert shop.violations() == []


@pytest.mark.parametrize("mode", MODES)
def test_feed_counts_all_units_of_the_warehouse(shop: Shop, mode: str) -> None:
    product = product_in(shop, mode, 10)
    call(shop.connection, [product], [2])
    feed = f"feed-{uuid.uuid4()}"
    applied = shop._one("SELECT * FROM restock_v1(%s, %s, 'MAIN', 5)", feed, product)
    assert applied[:2] == ("applied", 13)
    assert shop.ask("restock_v1", feed, product, "MAIN", 5) == "replayed"
    assert shop.ask("restock_v1", f"feed-{uuid.uuid4()}", product, "MAIN", -14) == "below_committed"
    adjusted = shop._one(
        "SELECT * FROM adjust_stock_v1(%s, %s, 'MAIN', 4, %s)", f"feed-{uuid.uuid4()}", product, version(shop, product)
    )
    assert adjusted[:2] == ("applied", 4)
    known = version(shop, product)
    assert call(shop.connection, [product], [1]).outcome == "reserved"
    assert version(shop, product) > known
    assert shop.ask("adjust_stock_v1", f"feed-{uuid.uuid4()}", product, "MAIN", 9, known) == "version_conflict"
    assert shop.free(product) == 3
    assert shop.violations() == []


@pytest.mark.parametrize("mode", MODES)
def test_carts_limits_and_waiters_take_from_wherever_the_units_are(shop: Shop, mode: str) -> None:
    limited, other = product_in(shop, mode, 5, max_per_user=3), product_in(shop, mode, 5)
    assert call(shop.connection, [limited, other], [2, 5]).outcome == "reserved"
    assert call(shop.connection, [limited], [2]).outcome == "user_limit"
    assert shop.connection.execute("SELECT * FROM join_waitlist_v1(7, %s, 3)", [limited]).fetchone() == (
        "offered",
        None,
    )
    assert (shop.free(limited), shop.free(other)) == (0, 0)
    assert shop.violations() == []


@pytest.mark.parametrize("mode", MODES)
def test_batch_takes_from_wherever_the_units_are(shop: Shop, mode: str) -> None:
    product = product_in(shop, mode, 6)
    rows = shop.connection.execute(
        "SELECT outcome FROM reserve_stock_many_v1(%s, %s, %s, %s, %s, 60) ORDER BY request",
        [
            [uuid.uuid4() for _ in range(4)],
            [1, 2, 3, 4],
            [uuid.uuid4().hex for _ in range(4)],
            [product] * 4,
            [3, 2, 2, 1],
        ],
    ).fetchall()
    assert [row[0] for row in rows] == ["reserved", "reserved", "insufficient", "reserved"]
    assert (shop.free(product), shop.violations()) == (0, [])


def test_reservation_of_a_row_neither_waits_for_the_counter_nor_changes_it(
    shop: Shop, pooled: psycopg.Connection
) -> None:
    product = product_in(shop, "units", 3)
    with shop.connection.transaction():
        shop.connection.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
        with pooled.transaction():
            pooled.execute("SET LOCAL lock_timeout = '1ms'")
            assert call(pooled, [product], [2]).outcome == "reserved"
    assert shop.counters(product) == (0, 0, 0)
    assert shop.free(product) == 1


def test_buckets_share_out_the_units_and_their_buyers(shop: Shop, connect: Connect) -> None:
    product = product_in(shop, "buckets", 1_000, buckets=8)
    units = [
        row[0]
        for row in shop.connection.execute("SELECT available FROM product_stock WHERE product_id = %s", [product])
    ]
    assert units == [125] * 8
    buyer = connect()
    for _ in range(64):
        assert call(buyer, [product], [1]).outcome == "reserved"
    (touched,) = shop._one("SELECT count(*) FROM product_stock WHERE product_id = %s AND held > 0", product)
    assert touched >= 5


def test_switching_while_buyers_buy_neither_loses_nor_makes_a_unit(shop: Shop, connect: Connect) -> None:
    units, buyers = 240, 300
    product = shop.product(units)
    is_over = threading.Event()

    def buy(_: int) -> Counter[str]:
        connection = connect()
        told: Counter[str] = Counter()
        for number in range(buyers // 6):
            answer = call(connection, [product], [1])
            told[answer.outcome] += 1
            if answer.outcome == "reserved" and number % 5 == 0:
                row = connection.execute("SELECT release_reservation_v1(1, %s)", [answer.order_id]).fetchone()
                assert row is not None
                told[row[0]] += 1
        return told

    def switch() -> int:
        switched = 0
        with psycopg.connect(
            shop.connection.info.dsn, password=shop.connection.info.password, autocommit=True
        ) as owner:
            while not is_over.is_set():
                row = owner.execute("SELECT set_stock_mode_v1(%s, %s, 5)", [product, MODES[switched % 3]]).fetchone()
                assert row == ("set",)
                switched += 1
        return switched

    with ThreadPoolExecutor(7) as threads:
        switching = threads.submit(switch)
        told = sum(threads.map(buy, range(6)), Counter[str]())
        is_over.set()
        assert switching.result() >= 10
    assert set(told) == {"reserved", "released"} or set(told) == {"reserved", "released", "insufficient"}
    kept = told["reserved"] - told["released"]
    assert shop.free(product) == units - kept
    assert shop.violations() == []


@pytest.mark.parametrize(
    ("mode", "buckets", "says"),
    [("heap", 2, "mode is heap"), (None, 2, "mode"), ("buckets", 0, "1 to 64"), ("buckets", 65, "1 to 64")],
)
def test_bad_mode_raises_hr001(shop: Shop, mode: str | None, buckets: int, says: str) -> None:
    product = shop.product(1)
    with pytest.raises(psycopg.Error, match=says) as raised:
        shop.ask("set_stock_mode_v1", product, mode, buckets)
    assert raised.value.sqlstate == "HR001"


def test_mode_of_an_unknown_product_is_told(shop: Shop) -> None:
    assert shop.ask("set_stock_mode_v1", 2_147_483_647, "units", 1) == "unknown_product"


def test_too_many_units_for_rows_are_refused_whole(shop: Shop) -> None:
    product = shop.product(1_000_001)
    with pytest.raises(psycopg.Error, match="use buckets") as raised:
        shop.ask("set_stock_mode_v1", product, "units", 1)
    assert raised.value.sqlstate == "HR001"
    assert shop.counters(product) == (1_000_001, 0, 0)
