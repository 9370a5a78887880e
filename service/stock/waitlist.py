"""The waiting list of a product: first come, first served, in the transaction that frees units."""

from dataclasses import dataclass
from enum import StrEnum

from django.db import connection, transaction

from service.stock import errors
from service.stock.availability import forget


class Outcome(StrEnum):
    WAITING = "waiting"
    ALREADY_WAITING = "already_waiting"
    OFFERED = "offered"


@dataclass(frozen=True, slots=True)
class Place:
    """``place`` is 1 for the first; None when the units were free and are held for the buyer now."""

    outcome: Outcome
    place: int | None


def join(user_id: int, product_id: int, quantity: int) -> Place:
    """Wait for units of a product; a buyer who waits already keeps the place and its quantity.

    Args:
        quantity: Units to wait for, 1 to 10,000.

    Raises:
        UnknownProduct: There is no such product.
        InactiveProduct: It is not on sale.
        UserLimit: The buyer could not have so many units if they were free.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT outcome, place FROM join_waitlist_v1(%s, %s, %s)", [user_id, product_id, quantity])
        outcome, place = cursor.fetchone()
    if outcome == "unknown_product":
        raise errors.UnknownProduct("The product does not exist.")
    if outcome == "inactive_product":
        raise errors.InactiveProduct("The product is not on sale.")
    if outcome == "user_limit":
        raise errors.UserLimit("One buyer may not have so many units of the product.")
    if outcome == Outcome.OFFERED:
        transaction.on_commit(lambda: forget([product_id]))
    return Place(Outcome(outcome), place)


def leave(user_id: int, product_id: int) -> None:
    """Give up the place; those behind may be served at once.

    Raises:
        NotWaiting: The buyer has no place there.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT leave_waitlist_v1(%s, %s)", [user_id, product_id])
        (outcome,) = cursor.fetchone()
    if outcome != "left":
        raise errors.NotWaiting("You do not wait for this product.")
    transaction.on_commit(lambda: forget([product_id]))
