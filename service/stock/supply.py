"""Change how many units there are: deliveries, corrections and stocktakes, one statement each.

Nothing else writes supply: the feed and the admin come through here. One key is one change, so
each call may be repeated.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection, transaction

from service.stock.availability import forget

MAX_UNITS = 10**12  # of restock_v1 and adjust_stock_v1

# One statement, whichever way the product is named. A shop with one warehouse need not name it.
_PRODUCT = "(SELECT coalesce(%s, (SELECT id FROM product WHERE sku = %s)) AS id) AS p"
_WAREHOUSE = "coalesce(%s, (SELECT min(code) FROM warehouse HAVING count(*) = 1))"
_TOLD = f"SELECT outcome, available, version, p.id FROM {_PRODUCT}"  # noqa: S608
_RESTOCK = f"{_TOLD}, restock_v1(%s, p.id, {_WAREHOUSE}, %s)"
_ADJUST = f"{_TOLD}, adjust_stock_v1(%s, p.id, {_WAREHOUSE}, %s, %s)"


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
    arguments: list[Any] = [product_id, sku, key, warehouse, *amounts]
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        outcome, available, version, changed = cursor.fetchone()
    if changed is not None:
        transaction.on_commit(lambda: forget([changed]))
    return Result(Outcome(outcome), available, version)
