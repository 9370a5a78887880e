"""What the SQL functions are specified to do, in plain Python: no SQL, no locks, no clock.

Where the specification leaves a choice (which warehouse, which due hold is reclaimed), the model is told
what the database chose and asserts that the choice was allowed.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

OPEN = ("held", "paying")
MAX_EXTENSIONS = 3

Warehouse = int
Cart = dict[int, int]


@dataclass(slots=True)
class Line:
    product: int
    warehouse: Warehouse
    units: int
    status: str
    payment_ref: str | None = None


@dataclass(slots=True)
class Order:
    user: int
    lines: dict[int, Line]
    is_due: bool = False
    extensions: int = 0

    def chosen(self, numbers: list[int] | None) -> list[Line]:
        return [line for number, line in sorted(self.lines.items()) if numbers is None or number in numbers]

    def state(self, numbers: list[int] | None = None) -> str:
        """The state of the first line that is open, else confirmed if any is, else of the first."""
        if numbers is not None and not set(numbers) <= set(self.lines):
            return "not_found"
        lines = self.chosen(numbers)
        for line in lines:
            if line.status in OPEN:
                return "expired" if self.is_due else line.status
        return "confirmed" if any(line.status == "confirmed" for line in lines) else lines[0].status


@dataclass(slots=True)
class Product:
    free: Counter[Warehouse]
    limit: int | None = None
    is_active: bool = True
    waiting: list[tuple[int, int]] = field(default_factory=list)
    """user and units, first come first"""


class Model:
    def __init__(self, products: dict[int, Product]) -> None:
        self.products = products
        self.orders: dict[str, Order] = {}
        self.keys: dict[tuple[int, str], tuple[str, Cart]] = {}
        self.payments: dict[str, str] = {}
        self.feeds: set[str] = set()
        self.offered: list[tuple[int, int, int]] = []
        """user, product and units of each offer that the database must have made"""

    def free(self, product: int) -> int:
        return sum(self.products[product].free.values())

    def shown(self, product: int) -> int:
        """What a refusal tells: units that others wait for are not free."""
        return 0 if self.products[product].waiting else self.free(product)

    def due(self, product: int) -> int:
        return sum(
            line.units
            for order in self.orders.values()
            for line in order.lines.values()
            if order.is_due and line.product == product and line.status in OPEN
        )

    def counted(self, user: int, product: int, *, with_due: bool, with_held: bool = True) -> int:
        """Units that the buyer has bought or holds."""
        return sum(
            line.units
            for order in self.orders.values()
            if order.user == user
            for line in order.lines.values()
            if line.product == product
            and (
                line.status == "confirmed"
                or (line.status in OPEN and (with_due or not order.is_due) and (with_held or line.status == "paying"))
            )
        )

    def judge(self, user: int, key: str, cart: Cart, mode: str = "new") -> str:
        """The outcome of reserve_stock; nothing is changed."""
        if (user, key) in self.keys:
            return "replayed" if self.keys[user, key][1] == cart else "key_conflict"
        if any(product not in self.products for product in cart):
            return "unknown_product"
        if not all(self.products[product].is_active for product in cart):
            return "inactive_product"
        for product, units in cart.items():
            limit = self.products[product].limit
            had = self.counted(user, product, with_due=False, with_held=mode == "new")
            if limit is not None and had + units > limit:
                return "user_limit"
        for product, units in cart.items():
            own = 0
            if mode == "replace":
                own = sum(
                    line.units
                    for order in self.orders.values()
                    if order.user == user and not order.is_due
                    for line in order.lines.values()
                    if line.product == product and line.status == "held"
                )
            if self.products[product].waiting or self.free(product) + self.due(product) + own < units:
                return "insufficient"
        return "reserved"

    def replace(self, user: int, cart: Cart) -> None:
        """Give the buyer's own holds of the cart's products back."""
        for order in self.orders.values():
            for line in order.lines.values():
                if order.user == user and line.product in cart and line.status == "held":
                    self.end(line, "released")

    def take(self, user: int, key: str, cart: Cart, order_id: str, lines: dict[int, Line]) -> None:
        """Write an order whose lines the database chose."""
        had: Counter[int] = Counter()
        for line in lines.values():
            had[line.product] += line.units
            self.products[line.product].free[line.warehouse] -= line.units
            assert self.products[line.product].free[line.warehouse] >= 0, f"oversold {line}"
            assert line.status == "held"
        assert had == Counter(cart), f"asked for {cart}, holds {had}"
        self.orders[order_id] = Order(user, lines)
        self.keys[user, key] = (order_id, cart)

    def end(self, line: Line, status: Literal["released", "expired"]) -> None:
        line.status = status
        self.products[line.product].free[line.warehouse] += line.units

    def offer(self, product: int) -> None:
        """Serve those who wait; who made the offer's order is settled by the database's rows."""
        found = self.products[product]
        free = self.free(product) - sum(units for _, of, units in self.offered if of == product)
        while found.waiting and found.waiting[0][1] <= free:
            user, units = found.waiting.pop(0)
            limit = found.limit
            if limit is not None and self.counted(user, product, with_due=True) + units > limit:
                continue
            free -= units
            self.offered.append((user, product, units))

    def release(self, user: int, order_id: str, numbers: list[int] | None) -> str:
        order = self.orders[order_id]
        state = order.state(numbers) if order.user == user else "not_found"
        if state not in OPEN:
            return "already_released" if state == "released" else state
        freed = [line for line in order.chosen(numbers) if line.status in OPEN]
        for line in freed:
            self.end(line, "released")
        for product in {line.product for line in freed}:
            self.offer(product)
        return "released"

    def begin_payment(self, user: int, order_id: str) -> str:
        order = self.orders[order_id]
        state = order.state() if order.user == user else "not_found"
        if state != "held":
            return state
        for line in order.lines.values():
            if line.status == "held":
                line.status = "paying"
        return "paying"

    def extend(self, user: int, order_id: str) -> str:
        order = self.orders[order_id]
        state = order.state() if order.user == user else "not_found"
        if state != "held":
            return state
        if order.extensions == MAX_EXTENSIONS:
            return "limit_reached"
        order.extensions += 1
        return "extended"

    def confirm(self, user: int, order_id: str, ref: str, numbers: list[int] | None, late: str) -> str:
        order = self.orders[order_id]
        state = order.state(numbers) if order.user == user else "not_found"
        if state in ("released", "not_found") or (state == "expired" and late == "refuse"):
            return state
        lines = order.chosen(numbers)
        if state == "confirmed":
            paid = {line.payment_ref for line in lines if line.status == "confirmed"}
            return "already_confirmed" if paid == {ref} else "duplicate_payment"
        if self.payments.get(ref, order_id) != order_id:
            return "payment_ref_in_use"
        swept = [line for line in lines if line.status == "expired"]
        if not self._can_reacquire(user, swept):
            return "expired"
        for line in swept:
            self.products[line.product].free[line.warehouse] -= line.units
        for line in lines:
            if line.status in (*OPEN, "expired"):
                line.status, line.payment_ref = "confirmed", ref
        self.payments[ref] = order_id
        return "confirmed"

    def _can_reacquire(self, user: int, swept: list[Line]) -> bool:
        needed: Counter[tuple[int, Warehouse]] = Counter()
        for line in swept:
            needed[line.product, line.warehouse] += line.units
        for product in {line.product for line in swept}:
            found = self.products[product]
            units = sum(line.units for line in swept if line.product == product)
            had = self.counted(user, product, with_due=True)
            if found.waiting or (found.limit is not None and had + units > found.limit):
                return False
        return all(self.products[product].free[where] >= units for (product, where), units in needed.items())

    def supply(self, key: str, product: int, where: Warehouse, delta: int) -> str:
        if key in self.feeds:
            return "replayed"
        if self.products[product].free[where] + delta < 0:
            return "below_committed"
        self.feeds.add(key)
        self.products[product].free[where] += delta
        self.offer(product)
        return "applied"

    def join(self, user: int, product: int, units: int) -> str:
        found = self.products[product]
        if not found.is_active:
            return "inactive_product"
        if user in dict(found.waiting):
            return "already_waiting"
        if found.limit is not None and self.counted(user, product, with_due=True) + units > found.limit:
            return "user_limit"
        found.waiting.append((user, units))
        self.offer(product)
        return "waiting" if user in dict(found.waiting) else "offered"

    def leave(self, user: int, product: int) -> str:
        found = self.products[product]
        was_waiting = user in dict(found.waiting)
        found.waiting = [place for place in found.waiting if place[0] != user]
        self.offer(product)
        return "left" if was_waiting else "not_found"
