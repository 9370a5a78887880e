"""Read how many units are free, of one product from the cache. Admission is never decided here."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from service.cache.answers import answers
from service.cache.entry import Entry, Lifetime
from service.db.positions import END, ENDED
from service.db.reads import read, read_primary
from service.db.replica import committed
from service.stock.errors import UnknownProduct

# What nobody tells of, such as the sweeper's work, is seen after 10 s at the latest.
LIFETIME = Lifetime(fresh_s=5, keep_s=10)

_OF_MANY = "SELECT product_id, available, version FROM stock_availability_v1(%s::bigint[]) ORDER BY product_id"
_OF_ONE = (
    f"SELECT {END}, {ENDED}, product_id, available, version"  # noqa: S608  # constants of this package
    " FROM stock_availability_v1(ARRAY[%s::bigint])"
)


@dataclass(frozen=True, slots=True)
class Availability:
    """Free units of one product over all warehouses; ``version`` grows with every change."""

    product_id: int
    available: int
    version: int


def availability(product_ids: list[int], least: int = 0) -> list[Availability]:
    """Sum up each product in one statement; a product that no warehouse knows is left out.

    Args:
        least: The position that the answer must have seen (``service/db/positions.py``).
    """
    return [Availability(*row) for row in read(_OF_MANY, [product_ids], least).rows]


def availability_of(product_id: int, least: int = 0) -> Entry:
    """Sum up one product, as the answer that is sent; at most 10 s old.

    Args:
        least: The position that the answer must have seen.

    Raises:
        UnknownProduct: No warehouse has a stock record of it.
    """
    key = f"stock:available:{product_id}"
    return answers().get(key, _tag(product_id), LIFETIME, lambda seen: _read(product_id, seen), least)


def forget(product_ids: Iterable[int], position: int | None = None) -> None:
    """End what is kept of these products; call it when their change is committed. Never fails.

    Args:
        position: Of the change; where a replica is read, it is asked for if the caller does not know it.
    """
    answers().changed([_tag(product_id) for product_id in product_ids], position or committed())


def _tag(product_id: int) -> str:
    return f"stock:{product_id}"


def _read(product_id: int, least: int = 0) -> Entry:
    found = read(_OF_ONE, [product_id], least)
    if not found.rows and found.is_from_replica:
        # It may be new.
        found = read_primary(_OF_ONE, [product_id])
    if not found.rows:
        raise UnknownProduct("The product does not exist.")
    ((end, ended, product, available, version),) = found.rows
    told = {"product_id": product, "available": available, "version": version}
    return Entry.of(found.seen, json.dumps(told).encode(), end, ended)
