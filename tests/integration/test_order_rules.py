"""Rules of an order's life that one function alone does not show: several lines, limits, waiters, events, sweepers."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.integration.mutants import forget
from tests.integration.shop import Shop, call
from tuning.stack.stack import Stack


def sweep(shop: Shop) -> None:
    shop.ask("expire_reservations_v1", 10_000)


def test_order_of_several_lines_is_extended_whole(shop: Shop) -> None:
    first, second = shop.product(5), shop.product(5)
    order = call(shop.connection, [first, second], [1, 2], ttl_s=60).order_id
    told = [shop.ask("extend_reservation_v1", 1, order, 120) for _ in range(4)]
    assert told == ["extended", "extended", "extended", "limit_reached"]


def test_retried_confirmation_of_an_order_with_a_released_line_is_already_confirmed(shop: Shop) -> None:
    first, second = shop.product(5), shop.product(5)
    order, payment = call(shop.connection, [first, second], [1, 1]).order_id, uuid.uuid4().hex
    assert shop.ask("release_reservation_v1", 1, order, [1]) == "released"
    assert shop.ask("confirm_reservation_v1", 1, order, payment) == "confirmed"
    assert shop.ask("confirm_reservation_v1", 1, order, payment) == "already_confirmed"
    assert shop.ask("confirm_reservation_v1", 1, order, payment + "x") == "duplicate_payment"
    assert shop.ask("release_reservation_v1", 1, order) == "confirmed"


@pytest.mark.parametrize("how", ["alone", "in a batch"])
def test_buyers_own_due_hold_does_not_count_to_the_limit(shop: Shop, how: str) -> None:
    product = shop.product(10, max_per_user=2)
    shop.make_due(call(shop.connection, [product], [2]).order_id)
    if how == "alone":
        assert call(shop.connection, [product], [2]).outcome == "reserved"
    else:
        asked = [[uuid.uuid4()], [1], [uuid.uuid4().hex], [product], [2]]
        assert shop.ask("reserve_stock_many_v1", *asked, 60) == 1
        assert shop.reservations(product) == 2
    assert shop.counters(product) == (8, 2, 0)
    assert shop.violations() == []


def test_waiting_list_is_no_way_around_the_limit(shop: Shop) -> None:
    product = shop.product(10, max_per_user=2)
    assert shop.ask("join_waitlist_v1", 1, product, 3) == "user_limit"
    assert call(shop.connection, [product], [2]).outcome == "reserved"
    assert shop.ask("join_waitlist_v1", 1, product, 1) == "user_limit"
    assert shop.ask("join_waitlist_v1", 2, product, 2) == "offered"
    assert shop.counters(product) == (6, 4, 0)


def test_waiter_who_met_the_limit_meanwhile_makes_room_for_the_next(shop: Shop) -> None:
    product = shop.product(2, max_per_user=2)
    order = call(shop.connection, [product], [2], user_id=9).order_id
    assert [shop.ask("join_waitlist_v1", user, product, 2) for user in (1, 2)] == ["waiting", "waiting"]
    shop.connection.execute("INSERT INTO stock_user_total (product_id, user_id, units) VALUES (%s, 1, 1)", [product])
    assert shop.ask("release_reservation_v1", 9, order) == "released"
    held = shop.connection.execute(
        "SELECT r.user_id FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id"
        " WHERE s.product_id = %s AND r.status = 'held'",
        [product],
    ).fetchall()
    assert held == [(2,)]


def test_batch_tells_the_limit_before_the_shortage(shop: Shop) -> None:
    product = shop.product(1, max_per_user=2)
    asked = [[uuid.uuid4(), uuid.uuid4()], [1, 1], [uuid.uuid4().hex, uuid.uuid4().hex], [product] * 2, [3, 2]]
    told = shop.connection.execute(
        "SELECT outcome FROM reserve_stock_many_v1(%s, %s, %s, %s, %s, 60) ORDER BY request", asked
    ).fetchall()
    assert told == [("user_limit",), ("insufficient",)]
    assert [call(shop.connection, [product], [units]).outcome for units in (3, 2)] == ["user_limit", "insufficient"]


@pytest.mark.parametrize("left", [4, 5])
def test_swept_order_over_several_buckets_comes_back_whole_or_not_at_all(shop: Shop, left: int) -> None:
    product = shop.product(5)
    assert shop.ask("set_stock_mode_v1", product, "buckets", 3) == "set"
    order = call(shop.connection, [product], [5]).order_id
    assert len(shop.statuses(order)) == 3
    shop.make_due(order)
    sweep(shop)
    # All free units in another bucket than the order's first line has.
    assert shop.ask("set_stock_mode_v1", product, "counter", 1) == "set"
    if left < 5:
        assert call(shop.connection, [product], [5 - left], user_id=2).outcome == "reserved"
    told = shop.ask("confirm_reservation_v1", 1, order, uuid.uuid4().hex, None, "reacquire")
    assert told == ("confirmed" if left == 5 else "expired")
    assert shop.free(product) == (0 if left == 5 else 4)
    assert shop.violations() == []


def test_swept_order_comes_back_from_rows_of_its_own_warehouse(shop: Shop) -> None:
    product = shop.product(3, 3)
    order = call(shop.connection, [product], [3]).order_id
    other = call(shop.connection, [product], [3], user_id=2).order_id
    for each in (order, other):
        shop.make_due(each)
    sweep(shop)
    assert shop.ask("set_stock_mode_v1", product, "units", 1) == "set"
    for user, each in ((2, other), (1, order)):
        assert shop.ask("confirm_reservation_v1", user, each, uuid.uuid4().hex, None, "reacquire") == "confirmed"
    assert (shop.counters(product), shop.violations()) == ((0, 0, 6), [])


def test_payment_window_is_longer_than_the_hold(shop: Shop) -> None:
    order = call(shop.connection, [shop.product(1)], [1], ttl_s=60).order_id
    with pytest.raises(psycopg.Error, match="longer than the hold's 60 s") as raised:
        shop.ask("begin_payment_v1", 1, order, 60)
    assert raised.value.sqlstate == "HR001"
    assert shop.statuses(order) == ["held"]
    assert shop.ask("begin_payment_v1", 1, order, 61) == "paying"


def test_two_sweepers_end_ten_thousand_due_holds_once(stack: Stack, shop: Shop) -> None:
    sweep(shop)
    product = shop.product(10_000)
    ids = [uuid.uuid4() for _ in range(10_000)]
    asked: list[list[Any]] = [ids, list(range(10_000)), [key.hex for key in ids], [product] * 10_000, [1] * 10_000]
    shop.connection.execute("SELECT reserve_stock_many_v1(%s, %s, %s, %s, %s, 60)", asked)
    shop.connection.execute(
        "UPDATE stock_reservation SET created_at = created_at - interval '1 day',"
        " expires_at = clock_timestamp() - interval '1 second' WHERE order_id = ANY (%s)",
        [ids],
    )

    def run(_: int) -> int:
        ended = 0
        with psycopg.connect(stack.conninfo("app"), autocommit=True) as sweeper:
            while True:
                (count,) = sweeper.execute("SELECT expire_reservations_v1(500)").fetchone() or (0,)
                ended += count
                if count == 0:
                    return ended

    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(run, range(2))) == 10_000
    assert time.monotonic() - started < 60
    assert shop.counters(product) == (10_000, 0, 0)
    (events,) = shop._one(
        "SELECT count(DISTINCT order_id) FROM stock_outbox WHERE event = 'expired' AND order_id = ANY (%s)", ids
    )
    assert events == 10_000
    forget(stack, [product])


def test_availability_of_a_hundred_products_is_one_statement_clamped_for_each_location(
    shop: Shop, stack: Stack
) -> None:
    products = [shop.product(3, 2) for _ in range(100)]
    call(shop.connection, [products[7]], [2])
    with psycopg.connect(stack.superuser, dbname="hotrow") as breaker, breaker.transaction(force_rollback=True):
        breaker.execute("ALTER TABLE product_stock DROP CONSTRAINT product_stock_counters_not_negative")
        breaker.execute(
            "UPDATE product_stock SET available = -4 WHERE product_id = %s AND warehouse_id = 1", [products[9]]
        )
        found = dict(
            breaker.execute("SELECT product_id, available FROM stock_availability_v1(%s)", [products]).fetchall()
        )
    assert found == dict.fromkeys(products, 5) | {products[7]: 3, products[9]: 2}


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_events_are_written_with_the_change_or_not_at_all(stack: Stack, shop: Shop, end: str) -> None:
    product = shop.product(1)
    sold, given = (call(shop.connection, [shop.product(5)], [1]).order_id for _ in range(2))
    due = call(shop.connection, [shop.product(5)], [1]).order_id
    shop.make_due(due)
    with psycopg.connect(stack.direct) as owner:
        changing = Shop(owner)
        assert call(owner, [product], [1]).outcome == "reserved"
        assert changing.ask("confirm_reservation_v1", 1, sold, uuid.uuid4().hex) == "confirmed"
        assert changing.ask("release_reservation_v1", 1, given) == "released"
        sweep(changing)
        assert changing.ask("join_waitlist_v1", 5, product, 1) == "waiting"
        assert changing.ask("restock_v1", uuid.uuid4().hex, product, "MAIN", -5) == "below_committed"
        assert changing.ask("restock_v1", uuid.uuid4().hex, product, "MAIN", 1) == "applied"
        getattr(owner, end)()
    is_kept = end == "commit"
    assert shop.events(product) == ["sold_out", "shortfall", "back_in_stock"] * is_kept
    assert [shop.events(order) for order in (sold, given, due)] == [
        [event] * is_kept for event in ("confirmed", "released", "expired")
    ]
    assert shop.statuses(sold) == ["confirmed" if is_kept else "held"]
    sweep(shop)


@pytest.mark.parametrize("freed_by", ["release", "expiry", "restock", "leaving", "replace"])
def test_walk_in_cannot_take_what_others_wait_for(shop: Shop, freed_by: str) -> None:
    product = shop.product(2)
    order = call(shop.connection, [product], [2]).order_id
    assert [shop.ask("join_waitlist_v1", user, product, 3) for user in (11, 12)] == ["waiting", "waiting"]
    if freed_by == "release":
        shop.ask("release_reservation_v1", 1, order)
    elif freed_by == "expiry":
        shop.make_due(order)
    elif freed_by == "restock":
        shop.ask("restock_v1", uuid.uuid4().hex, product, "MAIN", 2)
    elif freed_by == "leaving":
        shop.ask("leave_waitlist_v1", 11, product)
    mode = "replace" if freed_by == "replace" else "new"
    assert (
        call(shop.connection, [product], [1], mode=mode, user_id=1 if mode == "replace" else 99).outcome
        == "insufficient"
    )
    asked = [[uuid.uuid4()], [99], [uuid.uuid4().hex], [product], [1]]
    (outcome,) = shop._one("SELECT outcome FROM reserve_stock_many_v1(%s, %s, %s, %s, %s, 60)", *asked)
    assert outcome == "insufficient"
    shop.ask("restock_v1", uuid.uuid4().hex, product, "MAIN", 5)
    (served,) = shop._one(
        "SELECT array_agg(r.user_id ORDER BY r.id) FROM stock_reservation AS r"
        " JOIN product_stock AS s ON s.id = r.product_stock_id"
        " WHERE s.product_id = %s AND r.user_id BETWEEN 11 AND 12",
        product,
    )
    # The due hold of that case is still held: its two units are not free before a sweep.
    assert served == {"leaving": [12], "replace": [11], "expiry": [11]}.get(freed_by, [11, 12])
    sweep(shop)
