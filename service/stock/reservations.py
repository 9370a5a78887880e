"""Reserve stock: the one door to the strategies."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from service.config.environment import environment
from service.db.replica import committed, replica
from service.stock import errors
from service.stock.availability import forget
from service.stock.strategies import Outcome, Request, Strategy, strategy

counts = dict.fromkeys(Outcome, 0)
"""How often each outcome came in this process, for the metrics."""

Mode = Literal["new", "replace"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Units held for one order; ``is_replay`` when an earlier call with the same key made it.

    ``position`` is where it is in the log; None where no replica is read.
    """

    order_id: UUID
    expires_at: datetime
    quantities: dict[int, int]
    is_replay: bool
    position: int | None


def reserve(user_id: int, key: str, lines: list[tuple[int, int]], mode: Mode = "new") -> Reservation:
    """Hold the units of a cart, all of them or none.

    Args:
        user_id: The buyer.
        key: The buyer's idempotency key, 1 to 255 characters: one key, one reservation.
        lines: Product id and quantity; lines of one product are added up.
        mode: ``replace`` gives back the buyer's own holds of these products first, in the same statement.

    Raises:
        StockError: One of the classes of :mod:`service.stock.errors`; nothing was written.
    """
    quantities: dict[int, int] = {}
    for product_id, quantity in sorted(lines):
        quantities[product_id] = quantities.get(product_id, 0) + quantity
    request = Request(
        order_id=uuid7(),
        user_id=user_id,
        key=key,
        quantities=quantities,
        ttl_s=environment().reservation_ttl_s,
        mode=mode,
    )
    result = _strategy()(request)
    counts[result.outcome] += 1
    match result.outcome:
        case Outcome.RESERVED | Outcome.REPLAYED:
            assert result.order_id is not None
            assert result.expires_at is not None
            # Committed: no strategy runs in a transaction block.
            position = None if replica() is None else result.position or committed()
            if not result.is_told:
                forget(quantities, position)
            return Reservation(
                order_id=result.order_id,
                expires_at=result.expires_at,
                quantities=quantities,
                is_replay=result.outcome is Outcome.REPLAYED,
                position=position,
            )
        case Outcome.INSUFFICIENT:
            raise errors.InsufficientStock(result.available or {})
        case Outcome.USER_LIMIT:
            raise errors.UserLimit("One buyer may not have so many units of a product.")
        case Outcome.KEY_CONFLICT:
            raise errors.KeyConflict("This idempotency key was used before for another request.")
        case Outcome.UNKNOWN_PRODUCT:
            raise errors.UnknownProduct("A product of the cart does not exist.")
        case Outcome.INACTIVE_PRODUCT:
            raise errors.InactiveProduct("A product of the cart is not on sale.")
        case Outcome.BUSY:
            raise errors.Busy("The stock is contended; try again.")


@cache
def _strategy() -> Strategy:
    return strategy(environment().strategy)
