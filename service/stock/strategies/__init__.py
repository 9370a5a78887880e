"""Ways to reserve, behind one interface, so that the lab can measure them side by side."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from uuid import UUID

from service.config.environment import StrategyName


class Outcome(StrEnum):
    RESERVED = "reserved"
    REPLAYED = "replayed"
    KEY_CONFLICT = "key_conflict"
    INSUFFICIENT = "insufficient"
    USER_LIMIT = "user_limit"
    UNKNOWN_PRODUCT = "unknown_product"
    INACTIVE_PRODUCT = "inactive_product"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Request:
    """What a buyer asks for; ``quantities`` has one entry for each product, in ascending id.

    ``mode`` is ``new``, or ``replace``, which gives back the buyer's own holds of these products
    first. It is no part of the fingerprint: the cart is the same.
    """

    order_id: UUID
    user_id: int
    key: str
    quantities: dict[int, int]
    ttl_s: int
    mode: str = "new"

    @property
    def fingerprint(self) -> int:
        """A signed 64-bit hash of the cart, to tell a retry from another use of the same key.

        The functions of ``sql/functions`` compute the same, so strategies can be switched online.
        """
        if len(self.quantities) == 1:
            ((product, quantity),) = self.quantities.items()
            return _signed((product << 31 | quantity) & (2**64 - 1))
        products = ",".join(str(product) for product in self.quantities)
        quantities = ",".join(str(quantity) for quantity in self.quantities.values())
        digest = hashlib.sha256(f"{{{products}}}{{{quantities}}}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


def _signed(bits: int) -> int:
    return bits - 2**64 if bits >= 2**63 else bits


@dataclass(frozen=True, slots=True)
class Result:
    """``order_id`` and ``expires_at`` are set when reserved or replayed, ``available`` when insufficient.

    ``position`` is where the reservation is in the log, if the strategy knows. ``is_told`` where the strategy has
    ended what was kept of the products.
    """

    outcome: Outcome
    order_id: UUID | None = None
    expires_at: datetime | None = None
    available: dict[int, int] | None = None
    position: int | None = None
    is_told: bool = False


Strategy = Callable[[Request], Result]


def strategy(name: StrategyName) -> Strategy:
    """Load the module of that name and return its ``reserve``."""
    reserve: Strategy = import_module(f"{__name__}.{name}").reserve
    return reserve
