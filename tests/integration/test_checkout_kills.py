"""A worker that is killed at each step of a checkout: the order ends once, and is paid for once or not at all."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.integration.parts import Parts, Provider, eventually
from tests.integration.shop import Shop, call
from tuning.stack.children import Child
from tuning.stack.stack import Stack

USER = 1
FINAL = ("confirmed", "refused", "voided")
HOLD_AUTHORISE = {"at": "authorise", "do": "hold", "when": "before", "times": 1}
HOLD_AUTHORISED = {"at": "authorise", "do": "hold", "when": "after", "times": 1}


class Rig:
    """A worker, beat and provider; the worker may be killed and started again."""

    def __init__(self, stack: Stack) -> None:
        self.provider = Provider(stack)
        self.parts = Parts(stack, self.provider.url)
        self.worker: Child = self.parts.worker()
        self.parts.beat()

    def kill_worker(self) -> None:
        self.parts.kill(self.worker)

    def start_worker(self) -> None:
        self.worker = self.parts.worker()


@pytest.fixture(scope="module")
def rig(stack: Stack) -> Iterator[Rig]:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        # What other tests left to be delivered is not this worker's business.
        connection.execute("UPDATE stock_outbox SET delivered_at = now() WHERE delivered_at IS NULL")
    made = Rig(stack)
    yield made
    made.parts.end()
    made.provider.child.stop()


@pytest.fixture(autouse=True)
def kept(shop: Shop, rig: Rig) -> Iterator[None]:
    yield
    rig.provider.faults()
    assert shop.violations() == []


class Order:
    """One order that is being checked out."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.product = shop.product(2)
        answer = call(shop.connection, [self.product], [1], user_id=USER)
        assert answer.order_id is not None
        self.id: uuid.UUID = answer.order_id

    def start(self) -> None:
        assert self.shop.ask("checkout_start_v1", USER, self.id, 1_800) == "started"

    def step(self) -> str:
        return str(self.shop._one("SELECT step FROM checkout WHERE order_id = %s", self.id)[0])

    def make_due(self) -> None:
        """As if the lease of the worker that was killed were over."""
        self.shop.connection.execute("UPDATE checkout SET next_attempt_at = now() WHERE order_id = %s", [self.id])

    def await_final(self) -> str:
        eventually(lambda: self.step() in FINAL, f"the checkout is over; it is {self.step()}")
        return self.step()

    def await_status(self, status: str) -> None:
        eventually(lambda: self.shop.statuses(self.id) == [status], f"{status}: {self.shop.statuses(self.id)}")


@pytest.fixture
def order(shop: Shop) -> Order:
    return Order(shop)


@contextmanager
def locked(stack: Stack, table: str, order: Order) -> Iterator[None]:
    """Nobody else gets at the order's rows of a table."""
    with psycopg.connect(stack.direct) as blocker:
        blocker.execute(f"SELECT 1 FROM {table} WHERE order_id = %s FOR UPDATE", [order.id])  # type: ignore[arg-type]
        yield
        blocker.rollback()


Kill = Callable[[], None]


@pytest.fixture
def kill_in_statement(rig: Rig, watcher: psycopg.Connection) -> Callable[[str], None]:
    """A killer of the worker while its call of a function waits for a lock; nothing of the call happens."""

    def kill(function: str) -> None:
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        (pid,) = eventually(lambda: watcher.execute(waiting, [f"%{function}%"]).fetchone(), f"{function} waits")
        rig.kill_worker()
        watcher.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    return kill


def go_on(rig: Rig, order: Order) -> str:
    """A new worker takes over; how the checkout ended."""
    rig.provider.faults()
    rig.start_worker()
    order.make_due()
    return order.await_final()


def assert_paid_once(rig: Rig, order: Order) -> None:
    order.await_status("confirmed")
    assert order.shop.counters(order.product) == (1, 0, 1)
    assert len(rig.provider.authorisations(order.id)) == rig.provider.charges(order.id) == 1


def test_killed_before_the_provider_has_done_it(rig: Rig, order: Order) -> None:
    rig.provider.faults(HOLD_AUTHORISE)
    order.start()
    rig.provider.await_held()
    assert order.step() == "authorising"
    rig.kill_worker()
    assert go_on(rig, order) == "confirmed"
    assert_paid_once(rig, order)


def test_killed_before_the_provider_has_answered(rig: Rig, order: Order) -> None:
    rig.provider.faults(HOLD_AUTHORISED)
    order.start()
    rig.provider.await_held()
    rig.kill_worker()
    assert (order.step(), rig.provider.charges(order.id)) == ("authorising", 1)
    assert go_on(rig, order) == "confirmed"
    assert_paid_once(rig, order)


def test_provider_that_forgets_keys_is_seen_to_charge_twice(rig: Rig, order: Order) -> None:
    """The control: the same kill, and a provider that takes no notice of the key."""
    rig.provider.faults(HOLD_AUTHORISED)
    order.start()
    rig.provider.await_held()
    rig.kill_worker()
    rig.provider.faults({"at": "authorise", "do": "forget"})
    rig.start_worker()
    order.make_due()
    assert order.await_final() == "confirmed"
    assert rig.provider.charges(order.id) == 2


def test_killed_before_the_answer_is_written_down(
    stack: Stack, rig: Rig, order: Order, kill_in_statement: Callable[[str], None]
) -> None:
    rig.provider.faults(HOLD_AUTHORISED)
    order.start()
    rig.provider.await_held()
    with locked(stack, "checkout", order):
        rig.provider.faults()
        kill_in_statement("checkout_record_v1")
    assert (order.step(), rig.provider.charges(order.id)) == ("authorising", 1)
    assert go_on(rig, order) == "confirmed"
    assert_paid_once(rig, order)


def test_killed_before_the_order_is_confirmed(
    stack: Stack, rig: Rig, order: Order, kill_in_statement: Callable[[str], None]
) -> None:
    rig.provider.faults(HOLD_AUTHORISED)
    order.start()
    rig.provider.await_held()
    with locked(stack, "stock_reservation", order):
        rig.provider.faults()
        kill_in_statement("checkout_settle_v1")
    assert (order.step(), order.shop.statuses(order.id)) == ("confirming", ["paying"])
    assert go_on(rig, order) == "confirmed"
    assert_paid_once(rig, order)


def test_killed_when_the_order_is_confirmed(rig: Rig, order: Order) -> None:
    order.start()
    assert order.await_final() == "confirmed"
    rig.kill_worker()
    assert go_on(rig, order) == "confirmed"
    assert_paid_once(rig, order)


def test_two_workers_on_one_order_pay_once(rig: Rig, order: Order) -> None:
    rig.provider.faults(HOLD_AUTHORISED)
    order.start()
    rig.provider.await_held()
    # The lease of the first is over while it still waits: the worker's other process takes the order.
    order.make_due()
    assert order.await_final() == "confirmed"
    assert rig.provider.state()["held"] == 1
    rig.provider.faults()
    eventually(lambda: rig.provider.state()["held"] == 0, "the first has its answer too")
    assert_paid_once(rig, order)
    assert order.step() == "confirmed"


def test_killed_before_a_declined_order_is_released(
    stack: Stack, rig: Rig, order: Order, kill_in_statement: Callable[[str], None]
) -> None:
    rig.provider.faults({"at": "authorise", "do": "decline"}, HOLD_AUTHORISED)
    order.start()
    rig.provider.await_held()
    with locked(stack, "stock_reservation", order):
        rig.provider.faults()
        kill_in_statement("checkout_settle_v1")
    assert (order.step(), order.shop.statuses(order.id)) == ("releasing", ["paying"])
    assert go_on(rig, order) == "refused"
    order.await_status("released")
    assert order.shop.counters(order.product) == (2, 0, 0)
    assert rig.provider.authorisations(order.id) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_a_late_payment_is_voided(rig: Rig, order: Order, when: str) -> None:
    make_late(rig, order, {"at": "void", "do": "hold", "when": when, "times": 1})
    rig.provider.await_held()
    rig.kill_worker()
    assert (order.step(), rig.provider.charges(order.id)) == ("voiding", 1 if when == "before" else 0)
    assert go_on(rig, order) == "voided"
    assert_undone(rig, order)


def test_killed_before_a_late_order_is_released(
    stack: Stack, rig: Rig, order: Order, kill_in_statement: Callable[[str], None]
) -> None:
    make_late(rig, order, {"at": "void", "do": "hold", "when": "after", "times": 1})
    rig.provider.await_held()
    with locked(stack, "stock_reservation", order):
        rig.provider.faults()
        kill_in_statement("checkout_settle_v1")
    assert (order.step(), rig.provider.charges(order.id)) == ("releasing", 0)
    assert go_on(rig, order) == "voided"
    assert_undone(rig, order)


def make_late(rig: Rig, order: Order, fault: dict[str, object]) -> None:
    """The provider authorises when the hold is over."""
    rig.provider.faults(HOLD_AUTHORISED)
    order.start()
    rig.provider.await_held()
    order.shop.make_due(order.id)
    rig.provider.faults(fault)
    eventually(lambda: order.step() == "voiding", "the payment is late")


def assert_undone(rig: Rig, order: Order) -> None:
    order.await_status("expired")
    assert order.shop.counters(order.product) == (2, 0, 0)
    assert (len(rig.provider.authorisations(order.id)), rig.provider.charges(order.id)) == (1, 0)


@pytest.mark.parametrize(
    "fault",
    [
        {"at": "authorise", "do": "drop", "when": "after", "times": 1},
        {"at": "authorise", "do": "error", "when": "before", "times": 1},
    ],
    ids=["accepted and dropped", "error"],
)
def test_unknown_answer_is_asked_for_again(rig: Rig, order: Order, fault: dict[str, object]) -> None:
    rig.provider.faults(fault)
    order.start()
    assert order.await_final() == "confirmed"
    assert order.shop._one("SELECT attempts, last_error IS NOT NULL FROM checkout WHERE order_id = %s", order.id) == (
        2,
        True,
    )
    assert_paid_once(rig, order)
