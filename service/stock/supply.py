"""Change how many units there are: deliveries, corrections and stocktakes, one statement each.

Nothing else writes supply: the feed and the admin come through here. One key is one change, so
each call may be repeated.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection

MAX_UNITS = 10**12  # of restock_v1 and adjust_stock_v1

# One statement, whichever way the product is named. A shop with one warehouse need not name it.
_PRODUCT = "coalesce(%s, (SELECT id FROM product WHERE sku = %s))"
_WAREHOUSE = "coalesce(%s, (SELECT min(code) FROM warehouse HAVING count(*) = 1))"
_RESTOCK = f"SELECT outcome, available, version FROM restock_v1(%s, {_PRODUCT}, {_WAREHOUSE}, %s)"  # noqa: S608
_ADJUST = f"SELECT outcome, available, version FROM adjust_stock_v1(%s, {_PRODUCT}, {_WAREHOUSE}, %s, %s)"  # noqa: S608


class Outcome(StrEnum):
    APPLIED = "applied"
    REPLAYED = "replayed"
    BELOW_COMMITTED = "below_committed"
    VERSION_CONFLICT = "version_conflict"
    UNKNOWN_PRODUCT = "unknown_product"

    @property
    def is_refusal(self) -> bool:
        return self not in {Outcome.APPLIED, Outcome.REPLAYED}


@dataclass(frozen=True, slots=True)
class Result:
    """``available`` and ``version`` are the counter's; None for an unknown product or warehouse."""

    outcome: Outcome
    available: int | None
    version: int | None


def restock(key: str, product: int | str, warehouse: str | None, delta: int) -> Result:
    """Add units to a warehouse, or take free ones away.

    Args:
        key: 1 to 255 characters; the same key again changes nothing.
        product: Its id, or its SKU.
        warehouse: Its code; None where the shop has one warehouse.
        delta: Units to add; negative to take away. Not 0, at most 10^12.

    Raises:
        django.db.DatabaseError: HR001, an argument is out of its range.
    """
    return _change(_RESTOCK, key, product, warehouse, delta)


def adjust(key: str, product: int | str, warehouse: str | None, available: int, expected_version: int) -> Result:
    """Set a warehouse's free units to what was counted; units that are held or sold stay so.

    Args:
        available: Free units, 0 to 10^12.
        expected_version: The counter's version when the units were counted.

    Raises:
        django.db.DatabaseError: HR001, an argument is out of its range.
    """
    return _change(_ADJUST, key, product, warehouse, available, expected_version)


def _change(statement: str, key: str, product: int | str, warehouse: str | None, *amounts: int) -> Result:
    product_id, sku = (product, None) if isinstance(product, int) else (None, product)
    arguments: list[Any] = [key, product_id, sku, warehouse, *amounts]
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        outcome, available, version = cursor.fetchone()
    return Result(Outcome(outcome), available, version)
