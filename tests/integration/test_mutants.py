"""Each mutant of the specification, and the test that catches it within 10 s.

Those in ``CAUGHT_HERE`` are put in the place of the real function, and a test of another module is run against
them; ``CAUGHT_ELSEWHERE`` names the tests that bring their own mutant.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module

import psycopg
import pytest

from tests.integration import test_interleavings as interleavings
from tests.integration import test_order_rules as order_rules
from tests.integration import test_strategies as strategies
from tests.integration.mutants import forget, mutant, mutated
from tests.integration.sessions import Session, two_sessions
from tests.integration.shop import Shop, call
from tuning.stack.stack import Stack

MAX_S = 10

CAUGHT_ELSEWHERE = {
    "guard removed": "test_races.test_race_fails_without_the_guard",
    "read, then write": "test_races.test_race_fails_for_read_then_write",
    "locks of a cart unsorted": "test_hammer.test_hammer_finds_locks_that_are_not_sorted",
    "locks of a batch unsorted": "test_hammer.test_hammer_finds_locks_that_are_not_sorted",
    "no ledger row": "test_hammer.test_observer_finds_a_counter_that_changes_without_its_ledger_row",
    "release gives a unit too many": "test_state_machine.test_histories_catch_the_mutant",
    "expiry forgets the units": "test_state_machine.test_histories_catch_the_mutant",
    "replay check removed": "test_state_machine.test_histories_catch_the_mutant",
    "confirm does not check the state": "test_state_machine.test_histories_catch_the_mutant",
}

Sessions = tuple[Session, Session]


CAUGHT_HERE: dict[str, tuple[str, tuple[str, str], Callable[[Stack, Shop, Sessions], None]]] = {
    "orders are looked at without a lock": (
        "stock_order_state_v1",
        ("ORDER BY r.id FOR UPDATE", "ORDER BY r.id"),
        lambda _, shop, sessions: interleavings.test_of_two_ends_one_wins_and_the_other_waits(
            shop, sessions, "release", "confirm"
        ),
    ),
    "a payment buys any order": (
        "confirm_reservation_v1",
        ("IF v_payer <> p_order_id THEN", "IF false THEN"),
        lambda _, shop, sessions: interleavings.test_payment_buys_one_of_two_orders(
            shop, sessions, "COMMIT", "payment_ref_in_use"
        ),
    ),
    "the lifetime counts from the call": (
        "reserve_stock_v1",
        ("least(v_ttl / 100, interval '1 second')", "interval '1 hour'"),
        lambda stack, shop, _: strategies.test_lifetime_is_whole_after_two_seconds_for_one_line_and_many(stack, shop),
    ),
    "a failed replacement loses the hold": (
        "reserve_stock_v1",
        ("IF outcome IS NOT NULL AND p_mode = 'replace' THEN", "IF false THEN"),
        lambda _, shop, sessions: interleavings.test_replacement_that_loses_a_race_keeps_what_was_held(shop, sessions),
    ),
    "walk-ins take what others wait for": (
        "stock_refusal_v1",
        ("waiting.first_id IS NULL AND (", "("),
        lambda _, shop, __: order_rules.test_walk_in_cannot_take_what_others_wait_for(shop, "restock"),
    ),
    "limits are not looked at under the lock": (
        "stock_refusal_v1",
        ("p.max_per_user < cart.quantity", "p_mode <> 'locked' AND p.max_per_user < cart.quantity"),
        lambda _, shop, sessions: interleavings.test_limit_is_looked_at_again_under_the_lock(shop, sessions),
    ),
    "an event in spite of the refusal": (
        "stock_supply_v1",
        ("outcome := 'below_committed';", "outcome := 'applied';"),
        lambda stack, shop, _: order_rules.test_events_are_written_with_the_change_or_not_at_all(stack, shop, "commit"),
    ),
}


@pytest.fixture
def sessions(stack: Stack, direct: psycopg.Connection) -> Iterator[Sessions]:
    with two_sessions(stack.conninfo("app"), direct) as pair:
        yield pair


def newest(shop: Shop) -> int:
    return int(shop._one("SELECT max(id) FROM product")[0])


@pytest.mark.usefixtures("django_service")
@pytest.mark.parametrize("name", CAUGHT_HERE)
def test_mutant_is_caught_and_the_real_function_is_not(stack: Stack, shop: Shop, sessions: Sessions, name: str) -> None:
    function, change, check = CAUGHT_HERE[name]
    before = newest(shop)
    check(stack, shop, sessions)
    started = time.monotonic()
    try:
        with mutant(stack, function, change), pytest.raises((AssertionError, psycopg.Error)):
            check(stack, shop, sessions)
    finally:
        for session in sessions:
            session.connection.rollback()
        forget(stack, list(range(before + 1, newest(shop) + 1)))
    assert time.monotonic() - started < MAX_S


def over_and_due(shop: Shop) -> None:
    """A hold that is over is not expired again when its deadline comes."""
    product = shop.product(3)
    order = call(shop.connection, [product], [1]).order_id
    call(shop.connection, [product], [1])
    assert shop.ask("release_reservation_v1", 1, order) == "released"
    shop.make_due(order)
    order_rules.sweep(shop)
    assert shop.counters(product) == (2, 1, 0)


def test_expiry_that_does_not_check_the_status_is_caught(shop: Shop) -> None:
    """In a transaction that is rolled back: this mutant would end what other tests have left behind."""
    over_and_due(shop)
    started = time.monotonic()
    change = ("r.status IN ('held', 'paying') AND r.expires_at", "r.expires_at")
    with shop.connection.transaction(force_rollback=True):
        shop.connection.execute(mutated("expire_reservations_v1", change))
        with pytest.raises((AssertionError, psycopg.Error)), shop.connection.transaction():
            over_and_due(shop)
    assert time.monotonic() - started < MAX_S


def test_mutants_that_other_tests_bring_are_there() -> None:
    for name in CAUGHT_ELSEWHERE.values():
        module, _, function = name.partition(".")
        assert callable(getattr(import_module(f"tests.integration.{module}"), function)), name
