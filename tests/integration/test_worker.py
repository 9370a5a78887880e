"""Celery's worker and beat: what they do is done once, whatever is lost, doubled or killed."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg.conninfo import make_conninfo

from tests.integration.parts import Parts, Provider, eventually
from tests.integration.shop import Shop, call
from tuning.stack.children import Child
from tuning.stack.stack import Stack
from tuning.stack.worker import PROCESSES


@pytest.fixture(scope="module")
def provider(stack: Stack) -> Iterator[Provider]:
    made = Provider(stack)
    yield made
    made.child.stop()


@pytest.fixture
def parts(stack: Stack, shop: Shop, provider: Provider) -> Iterator[Parts]:
    shop.connection.execute("UPDATE stock_outbox SET delivered_at = now() WHERE delivered_at IS NULL")
    made = Parts(stack, provider.url)
    yield made
    made.end()
    assert shop.violations() == []


def held(shop: Shop) -> uuid.UUID:
    order = call(shop.connection, [shop.product(2)], [1]).order_id
    assert order is not None
    return order


def confirmed(shop: Shop) -> int:
    """The event of an order that was confirmed."""
    order = held(shop)
    assert shop.ask("confirm_reservation_v1", 1, order, f"pay-{order}") == "confirmed"
    return int(shop._one("SELECT id FROM stock_outbox WHERE order_id = %s", order)[0])


def is_delivered(shop: Shop, event: int) -> bool:
    return bool(shop._one("SELECT delivered_at IS NOT NULL FROM stock_outbox WHERE id = %s", event)[0])


def notifications(shop: Shop, event: int) -> int:
    return int(shop._one("SELECT count(*) FROM stock_notification WHERE event_id = %s", event)[0])


def send_again(shop: Shop, event: int) -> None:
    """As if its delivery had never been written down."""
    shop.connection.execute(
        "UPDATE stock_outbox SET delivered_at = NULL, next_attempt_at = now() WHERE id = %s", [event]
    )


def test_beat_may_double_and_may_die(shop: Shop, parts: Parts, provider: Provider) -> None:
    parts.worker()
    beats = [parts.beat(), parts.beat()]
    due, event, paying = held(shop), confirmed(shop), held(shop)
    shop.make_due(due)
    assert shop.ask("checkout_start_v1", 1, paying, 1_800) == "started"
    eventually(lambda: shop.statuses(due) == ["expired"], "the due hold is ended")
    eventually(lambda: is_delivered(shop, event), "the event is delivered")
    eventually(lambda: shop.statuses(paying) == ["confirmed"], "the order is paid")
    assert (shop.events(due), notifications(shop, event), provider.charges(paying)) == (["expired"], 1, 1)
    for each in beats:
        parts.kill(each)
    late = held(shop)
    shop.make_due(late)
    # A tick may be on its way still; once it was, nobody asks any more.
    assert shop.statuses(late) in (["held"], ["expired"])
    parts.beat()
    eventually(lambda: shop.statuses(late) == ["expired"], "another beat goes on")


def test_event_that_comes_twice_is_told_once(shop: Shop, parts: Parts) -> None:
    event = confirmed(shop)
    parts.beat()
    parts.worker()
    for _ in range(2):
        eventually(lambda: is_delivered(shop, event), "the event is delivered")
        send_again(shop, event)
    eventually(lambda: is_delivered(shop, event), "the event is delivered again")
    # The control: it was sent three times indeed.
    assert shop._one("SELECT attempts FROM stock_outbox WHERE id = %s", event) == (3,)
    assert notifications(shop, event) == 1


def test_nothing_is_lost_when_the_broker_forgets_everything(shop: Shop, parts: Parts) -> None:
    # The broker had this one, says the outbox; there is no message of it.
    forgotten = confirmed(shop)
    assert shop.connection.execute("SELECT event_id FROM outbox_take_v1(10, 1)").fetchall() == [(forgotten,)]
    assert shop.ask("outbox_settle_v1", [forgotten], "published") == 1
    parts.beat()
    parts.worker()
    eventually(lambda: is_delivered(shop, forgotten), "the event is sent again")
    # And now queues and bindings go while the parts are at work.
    with redis.Redis.from_url(parts.broker) as broker:
        broker.flushdb()
    event = confirmed(shop)
    eventually(lambda: is_delivered(shop, event), "the parts go on")
    assert [notifications(shop, each) for each in (forgotten, event)] == [1, 1]


def test_dead_letter_waits_until_it_is_sent_again(shop: Shop, parts: Parts) -> None:
    (event,) = shop._one(
        "INSERT INTO stock_outbox (event, payload, attempts) VALUES ('eclipse', '{\"user_id\": 1}', 9) RETURNING id"
    )
    parts.beat()
    parts.worker()
    dead = "SELECT last_error FROM stock_outbox WHERE id = %s AND dead_at IS NOT NULL"
    (error,) = eventually(lambda: shop.connection.execute(dead, [event]).fetchone(), "the event is given up")
    assert error == f"UnknownEvent: event {event} is of the unknown kind eclipse"
    shop.connection.execute("UPDATE stock_outbox SET event = 'shortfall' WHERE id = %s", [event])
    assert shop.ask("outbox_retry_v1", [event]) == 1
    eventually(lambda: is_delivered(shop, event), "the event is delivered at last")
    assert notifications(shop, event) == 1


def test_event_outlives_the_process_that_worked_on_it(
    stack: Stack, shop: Shop, parts: Parts, watcher: psycopg.Connection
) -> None:
    event = confirmed(shop)
    parts.beat()
    worker = parts.worker()
    with psycopg.connect(stack.direct) as blocker:
        # The consumer waits: another transaction is about to write the same notification.
        blocker.execute("INSERT INTO stock_notification (event_id, event) VALUES (%s, 'confirmed')", [event])
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%notify_buyer_v1%'"
        (backend,) = eventually(lambda: watcher.execute(waiting).fetchone(), "the consumer waits")
        for each in pool_processes(worker):
            os.kill(each, signal.SIGKILL)
        watcher.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        blocker.rollback()
    assert not is_delivered(shop, event)
    shop.connection.execute("UPDATE stock_outbox SET next_attempt_at = now() WHERE id = %s", [event])
    eventually(lambda: is_delivered(shop, event), "the worker has new processes, which deliver it")
    assert notifications(shop, event) == 1


def pool_processes(worker: Child) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()]


def test_worker_keeps_its_connections_and_replaces_one_that_was_lost(
    stack: Stack, shop: Shop, provider: Provider, watcher: psycopg.Connection
) -> None:
    parts = Parts(stack, provider.url)
    parts.env["DATABASE_URL"] = make_conninfo(stack.conninfo("app"), application_name="kept-worker")
    found = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'kept-worker'"
    opened = "SELECT count(*) FROM stock_notification WHERE event_id = ANY (%s)"
    try:
        parts.beat()
        parts.worker()
        eventually(lambda: len((watcher.execute(found).fetchone() or [[]])[0] or []) == PROCESSES, "both are connected")
        before = watcher.execute(found).fetchone()
        events = [confirmed(shop) for _ in range(20)]
        eventually(lambda: shop._one(opened, events) == (20,), "the events are delivered")
        assert watcher.execute(found).fetchone() == before
        watcher.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) AS pid", before)
        more = [confirmed(shop) for _ in range(20)]
        eventually(lambda: shop._one(opened, more) == (20,), "the worker has connected again")
        assert watcher.execute(found).fetchone() != before
    finally:
        parts.end()
