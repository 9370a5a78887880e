"""What happens to a hold after it was granted, function by function."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.shop import Shop, call


@pytest.fixture(autouse=True)
def balanced(shop: Shop) -> Iterator[None]:
    """Every test leaves counters, ledger and reservations in agreement."""
    yield
    assert shop.violations() == []
    assert shop.connection.execute("SELECT * FROM check_stock_v1()").fetchall() == []


def hold(shop: Shop, product: int, quantity: int = 1, *, user_id: int = 1, ttl_s: int = 900) -> uuid.UUID:
    answer = call(shop.connection, [product], [quantity], user_id=user_id, ttl_s=ttl_s)
    assert (answer.outcome, answer.order_id is None) == ("reserved", False)
    assert answer.order_id is not None
    return answer.order_id


def test_release_gives_the_units_back_once(shop: Shop) -> None:
    product = shop.product(5)
    order = hold(shop, product, 2)
    assert shop.ask("release_reservation_v1", 1, order) == "released"
    assert shop.counters(product) == (5, 0, 0)
    assert shop.ask("release_reservation_v1", 1, order) == "already_released"
    assert shop.ask("confirm_reservation_v1", 1, order, "p") == "released"
    assert shop.counters(product) == (5, 0, 0)
    assert shop.events(order) == ["released"]


def test_release_of_some_lines_keeps_the_others(shop: Shop) -> None:
    first, second = shop.product(5), shop.product(5)
    order = call(shop.connection, [first, second], [1, 2]).order_id
    assert shop.ask("release_reservation_v1", 1, order, [2]) == "released"
    assert shop.statuses(order) == ["held", "released"]
    assert (shop.counters(first), shop.counters(second)) == ((4, 1, 0), (5, 0, 0))
    assert shop.ask("release_reservation_v1", 1, order, [3]) == "not_found"
    assert shop.ask("confirm_reservation_v1", 1, order, f"pay-{order}") == "confirmed"
    assert shop.statuses(order) == ["confirmed", "released"]


def test_order_of_another_buyer_is_not_found(shop: Shop) -> None:
    order = hold(shop, shop.product(5))
    for function, rest in {
        "release_reservation_v1": (),
        "confirm_reservation_v1": ("p",),
        "begin_payment_v1": (60,),
        "extend_reservation_v1": (60,),
    }.items():
        assert shop.ask(function, 2, order, *rest) == "not_found", function
    assert shop.statuses(order) == ["held"]


def test_confirm_sells_once_and_a_payment_buys_one_order(shop: Shop) -> None:
    product, payment = shop.product(5), f"pay-{uuid.uuid4()}"
    order, other = hold(shop, product, 2), hold(shop, product)
    assert shop.ask("confirm_reservation_v1", 1, order, payment) == "confirmed"
    assert shop.counters(product) == (2, 1, 2)
    assert shop.ask("confirm_reservation_v1", 1, order, payment) == "already_confirmed"
    assert shop.ask("confirm_reservation_v1", 1, order, "another") == "duplicate_payment"
    assert shop.ask("confirm_reservation_v1", 1, other, payment) == "payment_ref_in_use"
    assert shop.ask("release_reservation_v1", 1, order) == "confirmed"
    assert shop.counters(product) == (2, 1, 2)
    assert shop.events(order) == ["confirmed"]


def test_late_confirm_is_refused_unless_its_policy_reacquires(shop: Shop) -> None:
    product = shop.product(1)
    order = hold(shop, product)
    shop.make_due(order)
    assert shop.ask("confirm_reservation_v1", 1, order, f"a-{order}") == "expired"
    shop.ask("expire_reservations_v1", 10_000)
    assert shop.counters(product) == (1, 0, 0)
    assert shop.ask("confirm_reservation_v1", 1, order, f"a-{order}") == "expired"
    assert shop.ask("confirm_reservation_v1", 1, order, f"a-{order}", None, "reacquire") == "confirmed"
    assert shop.counters(product) == (0, 0, 1)


def test_reacquire_takes_nothing_when_the_units_are_gone(shop: Shop) -> None:
    product, payment = shop.product(1), f"pay-{uuid.uuid4()}"
    late = hold(shop, product)
    shop.make_due(late)
    shop.ask("expire_reservations_v1", 10_000)
    quick = hold(shop, product, user_id=2)
    assert shop.ask("confirm_reservation_v1", 1, late, payment, None, "reacquire") == "expired"
    assert shop.ask("confirm_reservation_v1", 2, quick, payment) == "confirmed"
    assert shop.counters(product) == (0, 0, 1)


def test_paying_hold_outlives_its_ttl(shop: Shop) -> None:
    product = shop.product(1)
    order = hold(shop, product, ttl_s=1)
    assert shop.ask("begin_payment_v1", 1, order, 60) == "paying"
    assert shop.ask("begin_payment_v1", 1, order, 60) == "paying"
    shop.connection.execute("SELECT pg_sleep(1.1)")
    shop.ask("expire_reservations_v1", 10_000)
    assert shop.statuses(order) == ["paying"]
    assert call(shop.connection, [product], [1], user_id=2).outcome == "insufficient"
    assert shop.ask("confirm_reservation_v1", 1, order, f"pay-{order}") == "confirmed"


def test_payment_does_not_begin_for_a_hold_that_is_over(shop: Shop) -> None:
    order = hold(shop, shop.product(1))
    shop.make_due(order)
    assert shop.ask("begin_payment_v1", 1, order, 60) == "expired"
    assert shop.ask("extend_reservation_v1", 1, order, 60) == "expired"
    assert shop.ask("release_reservation_v1", 1, order) == "expired"
    shop.ask("expire_reservations_v1", 10_000)


def test_extend_is_bounded(shop: Shop) -> None:
    order = hold(shop, shop.product(1), ttl_s=60)
    told = [shop.ask("extend_reservation_v1", 1, order, 120) for _ in range(4)]
    assert told == ["extended", "extended", "extended", "limit_reached"]
    (left,) = shop.connection.execute(
        "SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM stock_reservation WHERE order_id = %s", [order]
    ).fetchone() or (0,)
    assert 110 < left <= 120


def test_due_hold_never_blocks_a_reserve_that_needs_it(shop: Shop) -> None:
    product = shop.product(1)
    due = hold(shop, product)
    shop.make_due(due)
    taken = call(shop.connection, [product], [1], user_id=2)
    assert taken.outcome == "reserved"
    assert (shop.statuses(due), shop.counters(product)) == (["expired"], (0, 1, 0))


def test_reclaim_is_bounded(shop: Shop) -> None:
    product = shop.product(150)
    orders = [hold(shop, product) for _ in range(150)]
    shop.connection.execute(
        "UPDATE stock_reservation SET created_at = created_at - interval '1 day',"
        " expires_at = clock_timestamp() - interval '1 second' WHERE order_id = ANY (%s)",
        [orders],
    )
    assert call(shop.connection, [product], [1], user_id=2).outcome == "reserved"
    assert shop.counters(product) == (99, 51, 0)
    shop.ask("expire_reservations_v1", 10_000)


def test_expiry_returns_units_once_and_stops_at_its_limit(shop: Shop) -> None:
    shop.ask("expire_reservations_v1", 10_000)
    product = shop.product(5)
    orders = [hold(shop, product) for _ in range(3)]
    for order in orders:
        shop.make_due(order)
    assert [shop.ask("expire_reservations_v1", 2) for _ in range(3)] == [2, 1, 0]
    assert shop.counters(product) == (5, 0, 0)
    assert [shop.events(order) for order in orders] == [["expired"]] * 3


def test_sweeper_passes_over_what_another_has_locked(shop: Shop, pooled: psycopg.Connection) -> None:
    shop.ask("expire_reservations_v1", 10_000)
    product = shop.product(2)
    mine, other = hold(shop, product), hold(shop, product)
    for order in (mine, other):
        shop.make_due(order)
    with shop.connection.transaction():
        shop.connection.execute("SELECT 1 FROM stock_reservation WHERE order_id = %s FOR UPDATE", [mine])
        assert pooled.execute("SELECT expire_reservations_v1(10)").fetchone() == (1,)
        assert (shop.statuses(mine), shop.statuses(other)) == (["held"], ["expired"])
    assert shop.ask("expire_reservations_v1", 10) == 1


def test_replace_lets_the_last_unit_be_reserved_again(shop: Shop) -> None:
    product = shop.product(1)
    first = hold(shop, product)
    assert call(shop.connection, [product], [1]).outcome == "insufficient"
    again = call(shop.connection, [product], [1], mode="replace")
    assert again.outcome == "reserved"
    assert (shop.statuses(first), shop.statuses(again.order_id)) == (["released"], ["held"])
    assert call(shop.connection, [product], [1], user_id=2, mode="replace").outcome == "insufficient"


def test_limit_counts_held_and_bought_units(shop: Shop) -> None:
    product = shop.product(50, max_per_user=2)
    first = hold(shop, product)
    assert call(shop.connection, [product], [2]).outcome == "user_limit"
    second = hold(shop, product)
    assert shop.ask("confirm_reservation_v1", 1, first, f"pay-{first}") == "confirmed"
    assert call(shop.connection, [product], [1]).outcome == "user_limit"
    assert call(shop.connection, [product], [2], user_id=2).outcome == "reserved"
    assert shop.ask("release_reservation_v1", 1, second) == "released"
    assert call(shop.connection, [product], [1]).outcome == "reserved"


def test_waiting_list_is_served_in_order_and_walk_ins_are_not(shop: Shop) -> None:
    product = shop.product(3)
    order = hold(shop, product, 3)
    waiting = [
        shop.connection.execute("SELECT * FROM join_waitlist_v1(%s, %s, %s)", row).fetchone()
        for row in ((11, product, 1), (12, product, 2), (13, product, 1), (13, product, 5))
    ]
    assert waiting == [("waiting", 1), ("waiting", 2), ("waiting", 3), ("already_waiting", 3)]
    shop.ask("restock_v1", f"feed-{uuid.uuid4()}", product, "MAIN", 2)
    # One unit went to the first; the second wants two, so the unit that is left waits for him.
    assert shop.counters(product) == (1, 4, 0)
    assert call(shop.connection, [product], [1], user_id=99).outcome == "insufficient"
    assert shop.ask("release_reservation_v1", 1, order) == "released"
    rows = shop.connection.execute(
        "SELECT r.user_id, sum(r.quantity)::int FROM stock_reservation AS r"
        " JOIN product_stock AS s ON s.id = r.product_stock_id"
        " WHERE s.product_id = %s AND r.status = 'held' GROUP BY r.user_id ORDER BY r.user_id",
        [product],
    ).fetchall()
    assert rows == [(11, 1), (12, 2), (13, 1)]
    assert shop.counters(product) == (1, 4, 0)
    assert call(shop.connection, [product], [1], user_id=99).outcome == "reserved"
    assert [event for event in shop.events(product) if event != "sold_out"] == ["back_in_stock"] * 3


def test_leaving_the_list_serves_those_behind(shop: Shop) -> None:
    product = shop.product(1)
    assert shop.ask("join_waitlist_v1", 11, product, 2) == "waiting"
    assert shop.ask("join_waitlist_v1", 12, product, 1) == "waiting"
    assert shop.ask("leave_waitlist_v1", 11, product) == "left"
    assert shop.counters(product) == (0, 1, 0)
    assert shop.ask("leave_waitlist_v1", 12, product) == "not_found"


def test_stock_feed_applies_each_key_once(shop: Shop) -> None:
    product, key = shop.product(5), f"feed-{uuid.uuid4()}"
    hold(shop, product, 4)
    assert shop.ask("restock_v1", key, product, "MAIN", -2) == "below_committed"
    assert shop.counters(product) == (1, 4, 0)
    assert shop.ask("restock_v1", key, product, "MAIN", 3) == "applied"
    assert shop.ask("restock_v1", key, product, "MAIN", 3) == "replayed"
    assert shop.counters(product) == (4, 4, 0)
    assert shop.ask("restock_v1", key + "x", product, "NOWHERE", 3) == "unknown_product"
    assert shop.ask("restock_v1", key + "x", product, "RESERVE", 3) == "applied"
    assert shop.events(product) == ["shortfall"]


def test_adjustment_needs_the_version_that_was_counted(shop: Shop) -> None:
    product, key = shop.product(5), f"count-{uuid.uuid4()}"
    assert shop.ask("adjust_stock_v1", key, product, "MAIN", 7, 1) == "applied"
    assert shop.ask("adjust_stock_v1", key, product, "MAIN", 7, 1) == "replayed"
    assert shop.ask("adjust_stock_v1", key + "x", product, "MAIN", 9, 1) == "version_conflict"
    assert shop.counters(product) == (7, 0, 0)


def test_availability_of_many_products_is_one_statement(shop: Shop) -> None:
    products = [shop.product(n, 1) for n in range(20)]
    call(shop.connection, [products[5]], [2])
    rows = shop.connection.execute("SELECT * FROM stock_availability_v1(%s)", [products]).fetchall()
    found = {product: (available, version) for product, available, version in rows}
    assert found == {product: (n + 1 - 2 * (n == 5), 2 + (n == 5)) for n, product in enumerate(products)}


@pytest.mark.parametrize(
    ("function", "arguments", "says"),
    [
        ("begin_payment_v1", (1, uuid.uuid4(), 0), "window is 0"),
        ("extend_reservation_v1", (1, uuid.uuid4(), 86_401), "ttl is 86401"),
        ("confirm_reservation_v1", (1, uuid.uuid4(), ""), "payment reference"),
        ("confirm_reservation_v1", (1, uuid.uuid4(), "p", None, "perhaps"), "late policy"),
        ("expire_reservations_v1", (0,), "limit is 0"),
        ("restock_v1", ("k", 1, "MAIN", 0), "delta is 0"),
        ("restock_v1", ("", 1, "MAIN", 1), "key must have"),
        ("adjust_stock_v1", ("k", 1, "MAIN", -1, 1), "free units are -1"),
        ("join_waitlist_v1", (1, 1, 0), "quantity is 0"),
    ],
)
def test_bad_argument_raises_hr001(shop: Shop, function: str, arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(psycopg.Error, match=says) as raised:
        shop.ask(function, *arguments)
    assert raised.value.sqlstate == "HR001"


@pytest.mark.parametrize("statement", ["UPDATE stock_transaction SET delta_held = 0", "DELETE FROM stock_transaction"])
def test_ledger_refuses_change(shop: Shop, statement: str) -> None:
    hold(shop, shop.product(1))
    with pytest.raises(psycopg.Error, match="final") as raised:
        shop.connection.execute(statement)  # type: ignore[arg-type]
    assert raised.value.sqlstate == "HR002"


def test_injected_drift_is_found_and_the_repair_is_in_the_ledger(shop: Shop) -> None:
    product = shop.product(5)
    hold(shop, product, 2)
    shop.connection.execute("UPDATE product_stock SET available = 1, held = 3 WHERE product_id = %s", [product])
    drift = shop.connection.execute(
        "SELECT available, ledger_available, held, open_units FROM check_stock_v1()"
    ).fetchall()
    assert drift == [(1, 3, 3, 2)]
    assert len(shop.connection.execute("SELECT repair_stock_v1()").fetchall()) == 1
    assert shop.counters(product) == (3, 2, 0)
    kinds = shop.connection.execute(
        "SELECT t.kind FROM stock_transaction AS t JOIN product_stock AS s ON s.id = t.product_stock_id"
        " WHERE s.product_id = %s ORDER BY t.version",
        [product],
    ).fetchall()
    assert kinds == [("restock",), ("reserve",), ("repair",)]
