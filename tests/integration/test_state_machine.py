"""Random histories of every operation, compared step by step with a model; and mutants that it must catch."""

import os
import time
import uuid
from collections import Counter
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.integration.model import OPEN, Line, Model, Product
from tests.integration.mutants import mutated
from tests.integration.shop import Shop

# `make soak` sets the minutes; the default is for `make test`.
SOAK_S = float(os.environ.get("HOTROW_SOAK_S", "0"))
EXAMPLES, STEPS = (25, 50) if SOAK_S == 0 else (40, 80)
WAREHOUSES = {1: "MAIN", 2: "RESERVE"}

buyers = st.integers(0, 2)
products = st.integers(0, 4)
units = st.integers(1, 4)
some_lines = st.one_of(st.none(), st.none(), st.sets(st.integers(1, 3), min_size=1).map(sorted))


class Shopping(RuleBasedStateMachine):
    """One history; ``calls`` is the connection under test, ``shop`` sees and sets the scene."""

    def __init__(self, calls: psycopg.Connection, shop: Shop, *, is_undone: bool = False) -> None:
        super().__init__()
        self.calls, self.shop = calls, shop
        # A mutant lives in a transaction that is rolled back, so that nothing it broke remains.
        self.undo = calls.transaction(force_rollback=True) if is_undone else None
        if self.undo:
            self.undo.__enter__()
        self.mark = uuid.uuid4().hex[:12]
        self.first_user = uuid.uuid4().int % 2**40 + 10
        specified = [
            Product(Counter({1: 6})),
            Product(Counter({1: 3, 2: 5})),
            Product(Counter({1: 8}), limit=3),
            Product(Counter({1: 5, 2: 2}), limit=4),
            Product(Counter({1: 5}), is_active=False),
        ]
        self.ids = [
            shop.product(*found.free.values(), is_active=found.is_active, max_per_user=found.limit)
            for found in specified
        ]
        self.model = Model(dict(zip(self.ids, specified, strict=True)))
        self.touched: list[str] = []

    def user(self, number: int) -> int:
        return self.first_user + number

    def order(self, number: int) -> str:
        """One of the newest orders, so that histories of one order are long."""
        return list(self.model.orders)[-1 - number % min(4, len(self.model.orders))]

    def ask(self, function: str, *arguments: Any) -> Any:
        marks = ", ".join(["%s"] * len(arguments))
        return self.calls.execute(f"SELECT * FROM {function}({marks})", arguments).fetchone()

    def rows(self) -> dict[str, tuple[int, str, bool, dict[int, Line]]]:
        """Every order of this history as the database has it, in the order of its first row."""
        found: dict[str, tuple[int, str, bool, dict[int, Line]]] = {}
        for order_id, line, user_id, key, *rest in self.shop.connection.execute(
            "SELECT r.order_id::text, r.line, r.user_id, r.idempotency_key, s.product_id, s.warehouse_id, r.quantity,"
            "       r.status, r.payment_ref"
            "  FROM stock_reservation AS r JOIN product_stock AS s ON s.id = r.product_stock_id"
            " WHERE r.user_id BETWEEN %s AND %s ORDER BY r.id",
            [self.first_user, self.first_user + 2],
        ):
            found.setdefault(order_id, (user_id, key, False, {}))[3][line] = Line(*rest)
        return found

    def settle(self) -> None:
        """Adopt the choices that the database may make, then compare everything."""
        rows = self.rows()
        for order_id, order in self.model.orders.items():
            for number, line in order.lines.items():
                if order.is_due and line.status in OPEN and rows[order_id][3][number].status == "expired":
                    self.model.end(line, "expired")
                    if self.model.products[line.product].waiting:
                        self.model.offer(line.product)
        for order_id, (user_id, key, _, lines) in rows.items():
            if order_id not in self.model.orders and key.startswith("waitlist:"):
                cart: Counter[int] = Counter()
                for line in lines.values():
                    cart[line.product] += line.units
                ((product, total),) = cart.items()
                self.model.offered.remove((user_id, product, total))
                self.model.take(user_id, key, dict(cart), order_id, lines)
        assert self.model.offered == []
        stored = {order_id: (user_id, lines) for order_id, (user_id, _, _, lines) in rows.items()}
        assert stored == {order_id: (order.user, order.lines) for order_id, order in self.model.orders.items()}
        available = dict(
            self.calls.execute("SELECT product_id, available FROM stock_availability_v1(%s)", [self.ids]).fetchall()
        )
        assert available == {product: self.model.free(product) for product in self.ids}
        waiting = self.shop.connection.execute(
            "SELECT product_id, user_id, quantity FROM stock_waitlist WHERE product_id = ANY (%s) ORDER BY id",
            [self.ids],
        ).fetchall()
        assert sorted(waiting) == sorted(
            (product, *place) for product, found in self.model.products.items() for place in found.waiting
        )

    @rule(buyer=buyers, lines=st.lists(st.tuples(products, units), min_size=1, max_size=3), key=st.integers(0, 60),
          mode=st.sampled_from(["new", "new", "new", "replace"]))  # fmt: skip
    def reserve(self, buyer: int, lines: list[tuple[int, int]], key: int, mode: str) -> None:
        asked = [self.ids[product] for product, _ in lines]
        cart: Counter[int] = Counter()
        for product, count in lines:
            cart[self.ids[product]] += count
        user, name = self.user(buyer), f"{self.mark}-{key}"
        expected = self.model.judge(user, name, dict(cart), mode)
        order_id = str(uuid.uuid4())
        outcome, told, _, available = self.calls.execute(
            "SELECT * FROM reserve_stock_v1(%s, %s, %s, %s, %s, 900, %s)",
            [order_id, user, name, asked, [count for _, count in lines], mode],
        ).fetchone()  # type: ignore[misc]
        assert outcome == expected
        if outcome == "reserved":
            self.adopt(user, name, dict(cart), order_id, mode)
        elif outcome == "replayed":
            assert str(told) == self.model.keys[user, name][0]
        elif outcome == "insufficient":
            assert available == [self.model.shown(product) for product in asked]
        self.settle()

    def adopt(self, user: int, key: str, cart: dict[int, int], order_id: str, mode: str = "new") -> None:
        rows = self.rows()
        for known, order in self.model.orders.items():
            for number, line in order.lines.items():
                if order.is_due and line.status in OPEN and rows[known][3][number].status == "expired":
                    self.model.end(line, "expired")
        if mode == "replace":
            self.model.replace(user, cart)
        self.model.take(user, key, cart, order_id, rows[order_id][3])

    @rule(requests=st.lists(st.tuples(buyers, products, units, st.integers(0, 60)), min_size=1, max_size=5))
    def reserve_many(self, requests: list[tuple[int, int, int, int]]) -> None:
        ids = [str(uuid.uuid4()) for _ in requests]
        names = [f"{self.mark}-{key}" for *_, key in requests]
        told = self.calls.execute(
            "SELECT outcome, order_id FROM reserve_stock_many_v1(%s::uuid[], %s, %s, %s, %s, 900) ORDER BY request",
            [
                ids,
                [self.user(buyer) for buyer, *_ in requests],
                names,
                [self.ids[product] for _, product, *_ in requests],
                [count for _, _, count, _ in requests],
            ],
        ).fetchall()
        for (buyer, product, count, _), name, order_id, answer in zip(requests, names, ids, told, strict=True):
            cart = {self.ids[product]: count}
            assert answer[0] == self.model.judge(self.user(buyer), name, cart)
            if answer[0] == "reserved":
                self.adopt(self.user(buyer), name, cart, order_id)
        self.settle()

    @precondition(lambda self: self.model.orders)
    @rule(number=st.integers(0, 3), buyer=st.integers(0, 9), lines=some_lines)
    def release(self, number: int, buyer: int, lines: list[int] | None) -> None:
        order_id = self.order(number)
        user = self.by(order_id, buyer)
        expected = self.model.release(user, order_id, lines)
        assert self.ask("release_reservation_v1", user, order_id, lines)[0] == expected
        self.settle()

    def by(self, order_id: str, buyer: int) -> int:
        """Mostly the order's own buyer."""
        return self.user(0) if buyer == 0 else self.model.orders[order_id].user

    @precondition(lambda self: self.model.orders)
    @rule(number=st.integers(0, 3), buyer=st.integers(0, 9))
    def begin_payment(self, number: int, buyer: int) -> None:
        order_id = self.order(number)
        expected = self.model.begin_payment(self.by(order_id, buyer), order_id)
        assert self.ask("begin_payment_v1", self.by(order_id, buyer), order_id, 80_000)[0] == expected
        self.settle()

    @precondition(lambda self: self.model.orders)
    @rule(number=st.integers(0, 3), buyer=st.integers(0, 9))
    def extend(self, number: int, buyer: int) -> None:
        order_id = self.order(number)
        expected = self.model.extend(self.by(order_id, buyer), order_id)
        assert self.ask("extend_reservation_v1", self.by(order_id, buyer), order_id, 1_000)[0] == expected
        self.settle()

    @precondition(lambda self: self.model.orders)
    @rule(number=st.integers(0, 3), buyer=st.integers(0, 9), ref=st.integers(0, 12), lines=some_lines,
          late=st.sampled_from(["refuse", "reacquire"]))  # fmt: skip
    def confirm(self, number: int, buyer: int, ref: int, lines: list[int] | None, late: str) -> None:
        order_id, payment = self.order(number), f"{self.mark}-pay-{ref}"
        user = self.by(order_id, buyer)
        expected = self.model.confirm(user, order_id, payment, lines, late)
        assert self.ask("confirm_reservation_v1", user, order_id, payment, lines, late)[0] == expected
        self.settle()

    @precondition(lambda self: self.model.orders)
    @rule(numbers=st.sets(st.integers(0, 3), min_size=1), is_swept=st.booleans())
    def become_due(self, numbers: set[int], is_swept: bool) -> None:
        for order_id in {self.order(number) for number in numbers}:
            if any(line.status in OPEN for line in self.model.orders[order_id].lines.values()):
                self.shop.make_due(uuid.UUID(order_id))
                self.model.orders[order_id].is_due = True
        if is_swept:
            self.expire()

    @rule()
    def expire(self) -> None:
        self.ask("expire_reservations_v1", 10_000)
        for order in self.model.orders.values():
            for line in order.lines.values():
                if order.is_due and line.status in OPEN:
                    self.model.end(line, "expired")
                    self.touched.append(str(line.product))
        for product in self.ids:
            if str(product) in self.touched:
                self.model.offer(product)
        self.touched.clear()
        self.settle()

    @rule(
        product=products, where=st.sampled_from([1, 2]), delta=st.integers(-4, 4).filter(bool), feed=st.integers(0, 9)
    )
    def restock(self, product: int, where: int, delta: int, feed: int) -> None:
        key = f"{self.mark}-feed-{feed}"
        expected = self.model.supply(key, self.ids[product], where, delta)
        assert self.ask("restock_v1", key, self.ids[product], WAREHOUSES[where], delta)[0] == expected
        self.settle()

    @rule(product=products, available=st.integers(0, 6), is_stale=st.booleans())
    def adjust(self, product: int, available: int, is_stale: bool) -> None:
        key, product_id = f"{self.mark}-count-{uuid.uuid4()}", self.ids[product]
        (version,) = self.shop._one(
            "SELECT sum(s.version + s.pooled - stock_pooled_units_v1(s.id))::bigint FROM product_stock AS s"
            " WHERE s.product_id = %s AND s.warehouse_id = 1",
            product_id,
        )
        expected = "version_conflict"
        if not is_stale:
            expected = self.model.supply(key, product_id, 1, available - self.model.products[product_id].free[1])
        told = self.ask("adjust_stock_v1", key, product_id, "MAIN", available, version - is_stale)[0]
        assert told == expected
        self.settle()

    @rule(buyer=buyers, product=products, count=units)
    def join(self, buyer: int, product: int, count: int) -> None:
        expected = self.model.join(self.user(buyer), self.ids[product], count)
        assert self.ask("join_waitlist_v1", self.user(buyer), self.ids[product], count)[0] == expected
        self.settle()

    @rule(buyer=buyers, product=products)
    def leave(self, buyer: int, product: int) -> None:
        expected = self.model.leave(self.user(buyer), self.ids[product])
        assert self.ask("leave_waitlist_v1", self.user(buyer), self.ids[product])[0] == expected
        self.settle()

    @rule(product=products, mode=st.sampled_from(["counter", "buckets", "units"]), buckets=st.integers(2, 4))
    def set_mode(self, product: int, mode: str, buckets: int) -> None:
        assert self.shop.ask("set_stock_mode_v1", self.ids[product], mode, buckets) == "set"
        self.settle()

    def teardown(self) -> None:
        if self.undo:
            self.undo.__exit__(None, None, None)


def histories(examples: int, steps: int, *, is_fixed: bool = False) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=is_fixed,
        # To make a failing history shorter calls for minutes: its steps are printed as they were.
        phases=(Phase.generate,),
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(120 if SOAK_S == 0 else SOAK_S + 300)
def test_histories_agree_with_the_model(shop: Shop, pooled: psycopg.Connection) -> None:
    until = time.monotonic() + SOAK_S
    while True:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            lambda: Shopping(pooled, shop), settings=histories(EXAMPLES, STEPS)
        )
        assert shop.violations() == []
        if time.monotonic() >= until:
            return


MUTANTS = {
    "release gives a unit too many": (
        "stock_free_v1",
        "v_stock.units, -v_stock.held, 0",
        "v_stock.units + 1, -v_stock.held, 0",
    ),
    "expiry forgets the units": (
        "expire_reservations_v1",
        "PERFORM stock_offer_v1(stock_free_v1(v_due, 'expired', 'expire'))",
        "UPDATE stock_reservation SET status = 'expired' WHERE id = ANY (v_due)",
    ),
    "replay check removed": (
        "reserve_stock_v1",
        "IF FOUND THEN\n                IF v_previous",
        "IF false THEN\n            IF v_previous",
    ),
    "confirm does not check the state": (
        "confirm_reservation_v1",
        "IF outcome IN ('released', 'not_found') OR",
        "IF outcome = 'not_found' OR",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_histories_catch_the_mutant(shop: Shop, name: str) -> None:
    """Runs in a transaction that is rolled back; the functions of other sessions stay as they are."""
    function, old, new = MUTANTS[name]
    started = time.monotonic()
    with shop.connection.transaction(force_rollback=True):
        shop.connection.execute(mutated(function, (old, new)))
        with pytest.raises((AssertionError, psycopg.Error)):
            run_state_machine_as_test(  # type: ignore[no-untyped-call]
                lambda: Shopping(shop.connection, shop, is_undone=True), settings=histories(60, 50, is_fixed=True)
            )
    assert time.monotonic() - started < 10
