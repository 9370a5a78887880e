"""Read how many units are free, of one product from the cache. Admission is never decided here."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from service.cache.answers import answers
from service.cache.entry import Entry, Lifetime
from service.db.snapshots import POSITION
from service.stock.errors import UnknownProduct

# What nobody tells of, such as the sweeper's work, is seen after 10 s at the latest.
LIFETIME = Lifetime(fresh_s=5, keep_s=10)

_OF_MANY = "SELECT product_id, available, version FROM stock_availability_v1(%s::bigint[]) ORDER BY product_id"
_OF_ONE = f"SELECT product_id, available, version, {POSITION} FROM stock_availability_v1(ARRAY[%s::bigint])"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Availability:
    """Free units of one product over all warehouses; ``version`` grows with every change."""

    product_id: int
    available: int
    version: int


def availability(product_ids: list[int]) -> list[Availability]:
    """Sum up each product in one statement; a product that no warehouse knows is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_MANY, [product_ids])
        return [Availability(*row) for row in cursor.fetchall()]


def availability_of(product_id: int) -> Entry:
    """Sum up one product, as the answer that is sent; at most 10 s old.

    Raises:
        UnknownProduct: No warehouse has a stock record of it.
    """
    return answers().get(f"stock:available:{product_id}", _tag(product_id), LIFETIME, lambda: _read(product_id))


def forget(product_ids: Iterable[int]) -> None:
    """End what is kept of these products; call it when their change is committed. Never waits, never fails."""
    answers().changed([_tag(product_id) for product_id in product_ids])


def _tag(product_id: int) -> str:
    return f"stock:{product_id}"


def _read(product_id: int) -> Entry:
    with connection.cursor() as cursor:
        cursor.execute(_OF_ONE, [product_id])
        found = cursor.fetchone()
    if found is None:
        raise UnknownProduct("The product does not exist.")
    told = {"product_id": found[0], "available": found[1], "version": found[2]}
    return Entry.of(found[3], json.dumps(told).encode())
