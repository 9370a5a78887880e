"""What can go wrong with a reservation, and how each looks to a client."""

from typing import Any, ClassVar


class StockError(Exception):
    """Base of the domain's errors; ``code`` is public and stable."""

    code: ClassVar[str]
    status: ClassVar[int]
    retry_after_s: ClassVar[int | None] = None

    def members(self) -> dict[str, Any]:
        """Further members of the problem document."""
        return {}


class InsufficientStock(StockError):
    """Fewer units are free than were asked for."""

    code = "insufficient"
    status = 409

    def __init__(self, available: dict[int, int]) -> None:
        super().__init__("Fewer units are free than were asked for.")
        self.available = available

    def members(self) -> dict[str, Any]:
        return {"available": [{"product_id": key, "available": value} for key, value in self.available.items()]}


class KeyConflict(StockError):
    """The idempotency key was used before, for another request."""

    code = "key_conflict"
    status = 422


class UnknownProduct(StockError):
    """A product does not exist, or has no stock record."""

    code = "unknown_product"
    status = 404


class InactiveProduct(StockError):
    """A product is not on sale."""

    code = "inactive_product"
    status = 409


class UserLimit(StockError):
    """The buyer holds or has bought as many units of a product as one buyer may."""

    code = "user_limit"
    status = 409


class ModeNotSupported(StockError):
    """The configured strategy does not know this mode."""

    code = "mode_not_supported"
    status = 501


class NotWaiting(StockError):
    """The buyer has no place in the product's waiting list."""

    code = "not_waiting"
    status = 404


class OrderNotFound(StockError):
    """There is no such order, or it is another buyer's."""

    code = "not_found"
    status = 404


class OrderState(StockError):
    """The order is in a state that does not allow this; ``code`` is that state."""

    status = 409

    def __init__(self, outcome: str) -> None:
        super().__init__(ORDER_STATES[outcome])
        self.code = outcome  # type: ignore[misc]  # one class for the states of one machine


ORDER_STATES = {
    "held": "The order is held and not being paid for.",
    "paying": "The order is being paid for.",
    "confirmed": "The order was confirmed.",
    "released": "The order was released.",
    "expired": "The order's hold is over.",
    "limit_reached": "The order was extended as often as an order may be.",
    "duplicate_payment": "The order was paid for with another reference.",
    "payment_ref_in_use": "The payment reference was used for another order.",
}


class Busy(StockError):
    """The stock was contended for longer than a caller should wait."""

    code = "busy"
    status = 503
    retry_after_s = 1
