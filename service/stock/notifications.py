"""The example of a consumer: tell a buyer, or the shop, what became of an order or a product.

It writes a row where a shop would send a letter. A consumer that works elsewhere, at a mail provider
say, hands the event's id on as its idempotency key.
"""

from django.db import connection

# Every kind of event that sql/functions writes; the order's states and the product's (ADR 13).
KNOWN = frozenset({"confirmed", "released", "expired", "sold_out", "back_in_stock", "shortfall"})


class UnknownEvent(Exception):
    """Nobody here knows what this event means: a release of the database that is newer than this one."""


def notify(event_id: int, event: str) -> str:
    """Write the notification of an event, once however often it is asked for; return the outcome.

    Raises:
        UnknownEvent: The event is of a kind that this release does not know.
    """
    if event not in KNOWN:
        raise UnknownEvent(f"event {event_id} is of the unknown kind {event}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT notify_buyer_v1(%s)", [event_id])
        return str(cursor.fetchone()[0])
