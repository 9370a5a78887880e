"""The outbox: hand events to the broker, and keep each until its consumer is done.

The database decides what is sent again and when; a message is no more than a hint. So a broker may
lose everything, and whoever sends or consumes may die at any point: an event that was not delivered
is due again (ADR 21). An event may therefore come twice, and a later one of an order before an
earlier: a consumer works by the event's id, which grows with the changes of an order.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from service.stock.models import StockOutbox

logger = logging.getLogger(__name__)

BATCH = 100
# An event that the broker lost is late by this much; a consumer that is behind by more sees some twice.
LEASE_S = 60
# With the doubling lease that is 5 hours of silence; of failures, a quarter of an hour at the most.
MAX_ATTEMPTS = 10
# What consumers do in far less than a lease: were more on its way, some would come twice for being late,
# and a day without consumers would fill the broker's memory.
MAX_UNDER_WAY = 1_000
# A week to find out what a consumer did.
KEEP_S = 7 * 24 * 3600
PURGE_BATCH = 1_000

_UNDER_WAY = (
    "SELECT count(*) FROM (SELECT FROM stock_outbox WHERE delivered_at IS NULL AND dead_at IS NULL"
    " AND next_attempt_at > clock_timestamp() AND last_error IS NULL LIMIT %s) AS o"
)
"""Events that were handed on and not delivered yet; those that failed wait their pause, and hinder nobody."""


class BrokerAway(Exception):
    """The broker took nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the outbox, as its consumers see it."""

    event_id: int
    event: str
    order_id: str | None
    product_id: int | None
    payload: dict[str, Any]
    created_at: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up."""

    event_id: int
    event: str
    attempts: int
    dead_at: datetime
    last_error: str


def relay(send: Callable[[Event], None]) -> int:
    """Hand the events that are due to the broker, as many as consumers keep up with; return how many it has.

    Args:
        send: Returns when the broker has the event, and raises :exc:`BrokerAway` when it does not take it.
    """
    count = 0
    room = MAX_UNDER_WAY - _under_way()
    while room > count and (taken := _take(min(BATCH, room - count))):
        sent: list[int] = []
        try:
            for event in taken:
                send(event)
                sent.append(event.event_id)
        except BrokerAway as error:
            logger.warning("the broker is away: %s", error)
            _settle([each.event_id for each in taken if each.event_id not in sent], "returned", str(error))
            _settle(sent, "published")
            return count + len(sent)
        _settle(sent, "published")
        count += len(sent)
    return count


def delivered(event_id: int) -> None:
    _settle([event_id], "delivered")


def failed(event_id: int, error: str) -> None:
    """Try an event again later, or give it up."""
    _settle([event_id], "failed", error)


def dead_letters() -> list[DeadLetter]:
    rows = StockOutbox.objects.filter(dead_at__isnull=False).order_by("id")
    return [
        DeadLetter(row.pk, row.event, row.attempts, row.dead_at, row.last_error or "") for row in rows if row.dead_at
    ]


def retry(event_ids: list[int] | None) -> int:
    """Send dead letters again, all of them for None; return how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT outbox_retry_v1(%s::bigint[])", [event_ids])
        return int(cursor.fetchone()[0])


def purge() -> int:
    """Remove what was delivered long ago; return how many events."""
    removed = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT outbox_purge_v1(%s, %s)", [KEEP_S, PURGE_BATCH])
            count = int(cursor.fetchone()[0])
        removed += count
        if count < PURGE_BATCH:
            return removed


def _under_way() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_UNDER_WAY, [MAX_UNDER_WAY])
        return int(cursor.fetchone()[0])


def _take(limit: int) -> list[Event]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, event, order_id::text, product_id, to_json(payload), created_at::text"
            " FROM outbox_take_v1(%s, %s, %s)",
            [limit, LEASE_S, MAX_ATTEMPTS],
        )
        return [Event(*row) for row in cursor.fetchall()]


def _settle(event_ids: list[int], outcome: str, error: str | None = None) -> int:
    if not event_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT outbox_settle_v1(%s, %s, %s, %s)", [event_ids, outcome, error, MAX_ATTEMPTS])
        return int(cursor.fetchone()[0])
