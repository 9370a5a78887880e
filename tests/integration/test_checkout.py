"""The steps of a checkout in SQL: each is done once, at its own turn, for all lines or for none."""

import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.integration.sessions import two_sessions
from tests.integration.shop import Shop, call
from tuning.stack.stack import Stack

USER = 1
START = "SELECT checkout_start_v1(%s, %s, 1800)"


@pytest.fixture(autouse=True)
def over(shop: Shop) -> Iterator[None]:
    """No checkout is under way when a test begins or has ended."""
    end = "UPDATE checkout SET step = 'voided' WHERE step NOT IN ('confirmed', 'refused', 'voided')"
    shop.connection.execute(end)
    yield
    shop.connection.execute(end)


def order(shop: Shop, *products: int) -> uuid.UUID:
    answer = call(shop.connection, list(products), [1] * len(products), user_id=USER)
    assert answer.order_id is not None
    return answer.order_id


def start(shop: Shop, order_id: uuid.UUID, user: int = USER) -> str:
    return str(shop.ask("checkout_start_v1", user, order_id, 1_800))


def started(shop: Shop, *products: int) -> uuid.UUID:
    made = order(shop, *products)
    assert start(shop, made) == "started"
    return made


def authorised(shop: Shop, *products: int) -> uuid.UUID:
    made = started(shop, *products)
    assert shop.ask("checkout_record_v1", made, "authorised", f"auth-{made}") == "confirming"
    return made


def shown(shop: Shop, order_id: uuid.UUID, columns: str) -> Any:
    return shop._one(f"SELECT {columns} FROM checkout WHERE order_id = %s", order_id)


def test_start_protects_the_holds_and_fixes_the_amount(shop: Shop) -> None:
    products = [shop.product(1), shop.product(1)]
    shop.connection.execute("UPDATE product SET price = 2.50 WHERE id = ANY (%s)", [products])
    made = started(shop, *products)
    assert shop.statuses(made) == ["paying", "paying"]
    shop.connection.execute("UPDATE product SET price = 9 WHERE id = ANY (%s)", [products])
    assert start(shop, made) == "replayed"
    assert shown(shop, made, "amount, lines, step") == (Decimal("5.00"), [1, 2], "authorising")


def test_start_refuses_an_order_that_is_over(shop: Shop) -> None:
    released, due, sold = (order(shop, shop.product(1)) for _ in range(3))
    shop.ask("release_reservation_v1", USER, released)
    shop.make_due(due)
    shop.ask("confirm_reservation_v1", USER, sold, f"pay-{sold}")
    told = [start(shop, each) for each in (released, due, sold)]
    assert told == ["released", "expired", "confirmed"]
    assert start(shop, order(shop, shop.product(1)), user=2) == "not_found"
    assert shop._one("SELECT count(*) FROM checkout WHERE order_id = ANY (%s)", [released, due, sold]) == (0,)


def test_start_twice_at_a_time_makes_one_checkout(stack: Stack, shop: Shop, watcher: psycopg.Connection) -> None:
    made = order(shop, shop.product(1))
    with two_sessions(stack.direct, watcher) as (first, second):
        first.run("BEGIN")
        assert first.run(START, USER, made) == "started"
        second.start(START, USER, made)
        assert second.is_waiting
        first.run("COMMIT")
        assert second.result() == "replayed"
    assert shown(shop, made, "step") == ("authorising",)


def test_take_gives_each_checkout_to_one_worker_until_its_lease_is_over(
    shop: Shop, connect: Callable[[], psycopg.Connection]
) -> None:
    made = started(shop, shop.product(1))
    take = "SELECT order_id, step, attempts FROM checkout_take_v1(10, 1)"
    first, second = connect(), connect()
    with first.transaction():
        assert first.execute(take).fetchall() == [(made, "authorising", 1)]
        assert second.execute(take).fetchall() == []
    assert second.execute(take).fetchall() == []
    time.sleep(1.1)
    assert second.execute(take).fetchall() == [(made, "authorising", 2)]


def test_record_takes_an_answer_to_the_present_step_alone(shop: Shop) -> None:
    made = authorised(shop, shop.product(1))
    for answer in ("declined", "voided", "authorised"):
        assert shop.ask("checkout_record_v1", made, answer, "auth-of-somebody") == "confirming"
    assert shown(shop, made, "payment_ref, reason") == (f"auth-{made}", None)
    assert shop.ask("checkout_settle_v1", made) == "confirmed"
    # A second worker that is late changes nothing, and neither does a failure of it.
    assert shop.ask("checkout_settle_v1", made) == "confirmed"
    assert shop.ask("checkout_record_v1", made, "failed", None, "too late") == "confirmed"
    assert shown(shop, made, "last_error") == (None,)
    assert shop.ask("checkout_record_v1", uuid.uuid4(), "voided") is None


def test_failure_is_tried_again_after_a_pause_that_grows(shop: Shop) -> None:
    made = started(shop, shop.product(1))
    waits = []
    for _ in range(8):
        shop.connection.execute("UPDATE checkout SET next_attempt_at = now() WHERE order_id = %s", [made])
        shop.connection.execute("SELECT * FROM checkout_take_v1(1, 30)")
        shop.ask("checkout_record_v1", made, "failed", None, "no answer")
        waits.append(shown(shop, made, "extract(epoch FROM next_attempt_at - clock_timestamp())::float8")[0])
    limits = [min(2**n, 60) for n in range(1, 9)]
    assert [limit / 2 - 0.5 < wait <= limit for wait, limit in zip(waits, limits, strict=True)] == [True] * 8


def test_order_of_which_a_line_was_given_back_is_not_sold(shop: Shop) -> None:
    products = [shop.product(1), shop.product(1)]
    made = authorised(shop, *products)
    assert shop.ask("release_reservation_v1", USER, made, [2]) == "released"
    assert shop.ask("checkout_settle_v1", made) == "voiding"
    assert shown(shop, made, "reason") == ("released",)
    assert shop.ask("checkout_record_v1", made, "voided") == "releasing"
    assert shop.ask("checkout_settle_v1", made) == "voided"
    assert shop.statuses(made) == ["released", "released"]
    assert [shop.counters(each) for each in products] == [(1, 0, 0)] * 2


def test_lines_that_were_given_back_before_are_no_part_of_it(shop: Shop) -> None:
    made = order(shop, shop.product(1), shop.product(1))
    shop.ask("release_reservation_v1", USER, made, [1])
    assert start(shop, made) == "started"
    assert shown(shop, made, "amount, lines") == (Decimal("1.00"), [2])
    shop.ask("checkout_record_v1", made, "authorised", f"auth-{made}")
    assert shop.ask("checkout_settle_v1", made) == "confirmed"
    assert shop.statuses(made) == ["released", "confirmed"]


@pytest.mark.parametrize(("late", "step"), [("refuse", "voiding"), ("reacquire", "confirmed")])
def test_late_policy_decides_of_a_hold_that_is_over(shop: Shop, late: str, step: str) -> None:
    made = authorised(shop, shop.product(1))
    shop.make_due(made)
    while shop.ask("expire_reservations_v1", 10_000):
        pass
    assert shop.ask("checkout_settle_v1", made, late) == step


def test_order_that_was_paid_otherwise_stays_sold_and_its_payment_is_voided(shop: Shop) -> None:
    made = authorised(shop, shop.product(1))
    assert shop.ask("confirm_reservation_v1", USER, made, "cash") == "confirmed"
    assert shop.ask("checkout_settle_v1", made) == "voiding"
    assert shown(shop, made, "reason") == ("duplicate_payment",)
    shop.ask("checkout_record_v1", made, "voided")
    assert shop.ask("checkout_settle_v1", made) == "voided"
    assert shop.statuses(made) == ["confirmed"]
