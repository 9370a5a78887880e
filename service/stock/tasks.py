"""Celery's part in stock: when to sweep, relay and deliver. What is done stands in other modules.

Every task may run twice or side by side, and one that never comes is made up for by the next.
"""

import threading
from typing import Any

from celery import shared_task
from kombu.exceptions import OperationalError as BrokerError

from service.stock import notifications, outbox
from service.stock.outbox import BrokerAway, Event
from service.stock.sweeper import TRIES_ONCE, Sweeper

# As the command's default: few enough that other calls hardly wait for their rows.
SWEEP_BATCH = 500


@shared_task(name="stock.sweep")
def sweep() -> int:
    return Sweeper(SWEEP_BATCH, threading.Event()).sweep(TRIES_ONCE).ended


@shared_task(name="stock.relay")
def relay() -> int:
    return outbox.relay(_send)


@shared_task(name="stock.purge")
def purge() -> int:
    return outbox.purge()


# Not handed back by a process that died over it: the outbox sends it again, and counts how often.
@shared_task(name="stock.deliver", reject_on_worker_lost=False)
def deliver(event: dict[str, Any]) -> None:
    found = Event(**event)
    try:
        notifications.notify(found.event_id, found.event)
    except Exception as error:  # noqa: BLE001  # whatever it was, it is written down and tried again
        outbox.failed(found.event_id, f"{type(error).__name__}: {error}")
    else:
        outbox.delivered(found.event_id)


def _send(event: Event) -> None:
    try:
        deliver.apply_async([event.as_json()], retry=False)
    except BrokerError as error:
        raise BrokerAway(str(error)) from error
