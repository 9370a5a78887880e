"""The outbox: what is handed out, what comes again, and what is given up."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests import commands
from tests.integration.shop import Shop, call
from tuning.stack.ports import free_port
from tuning.stack.stack import Stack

TAKE = "SELECT event_id FROM outbox_take_v1(%s, %s, %s)"
SETTLE = "SELECT outbox_settle_v1(%s, %s, %s, %s)"


@pytest.fixture(autouse=True)
def empty(shop: Shop) -> Iterator[None]:
    """Nothing is to be delivered when a test begins, and nothing of it when it has ended."""
    done = "UPDATE stock_outbox SET delivered_at = now(), dead_at = NULL WHERE delivered_at IS NULL"
    shop.connection.execute(done)
    yield
    shop.connection.execute(done)


@pytest.fixture
def event(shop: Shop) -> int:
    """A confirmed order's event."""
    return confirmed(shop)


def confirmed(shop: Shop) -> int:
    order = call(shop.connection, [shop.product(2)], [1]).order_id
    assert shop.ask("confirm_reservation_v1", 1, order, f"pay-{order}") == "confirmed"
    return int(shop._one("SELECT id FROM stock_outbox WHERE order_id = %s", order)[0])


def take(connection: psycopg.Connection, limit: int = 10, lease_s: int = 60, max_attempts: int = 10) -> list[int]:
    return [row[0] for row in connection.execute(TAKE, [limit, lease_s, max_attempts])]


def column(shop: Shop, event: int, name: str) -> Any:
    return shop._one(f"SELECT {name} FROM stock_outbox WHERE id = %s", event)[0]


def make_due(shop: Shop, event: int) -> None:
    shop.connection.execute("UPDATE stock_outbox SET next_attempt_at = now() WHERE id = %s", [event])


def wait_s(shop: Shop, event: int) -> float:
    return float(column(shop, event, "extract(epoch FROM next_attempt_at - clock_timestamp())::float8"))


def test_take_gives_each_event_to_one_relay(shop: Shop, connect: Callable[[], psycopg.Connection]) -> None:
    events = [confirmed(shop) for _ in range(4)]
    first, second = connect(), connect()
    with first.transaction():
        mine = take(first, limit=2)
        # The rows of the first relay are locked, and not waited for.
        theirs = take(second)
    assert (mine, theirs) == (events[:2], events[2:])
    assert take(second) == []


def test_take_gives_what_was_not_delivered_again(shop: Shop, event: int) -> None:
    assert take(shop.connection, lease_s=60) == [event]
    assert shop.ask("outbox_settle_v1", [event], "published") == 1
    assert take(shop.connection) == []
    assert 55 < wait_s(shop, event) <= 60
    make_due(shop, event)
    assert take(shop.connection, lease_s=60) == [event]
    assert 115 < wait_s(shop, event) <= 120
    # The control: what was delivered never comes again.
    assert shop.ask("outbox_settle_v1", [event], "delivered") == 1
    make_due(shop, event)
    assert take(shop.connection) == []


def test_take_gives_up_what_was_never_delivered(shop: Shop, event: int) -> None:
    for _ in range(2):
        assert take(shop.connection, max_attempts=2) == [event]
        make_due(shop, event)
    assert take(shop.connection, max_attempts=2) == []
    assert column(shop, event, "dead_at IS NOT NULL AND attempts = 2 AND last_error LIKE 'taken as often%%'")
    assert shop.ask("outbox_settle_v1", [event], "delivered") == 1
    assert column(shop, event, "dead_at IS NULL AND delivered_at IS NOT NULL")


def test_settle_waits_longer_after_each_failure_and_gives_up(shop: Shop, event: int) -> None:
    waits = []
    for _ in range(5):
        take(shop.connection)
        shop.connection.execute(SETTLE, [[event], "failed", "mail: 550", 6])
        waits.append(wait_s(shop, event))
        make_due(shop, event)
    # Half of each pause is chance: 1 to 2 s, 2 to 4 s, and so on.
    assert [2**n * 0.5 - 0.5 < wait <= 2**n for n, wait in enumerate(waits, start=1)] == [True] * 5
    take(shop.connection)
    shop.connection.execute(SETTLE, [[event], "failed", "mail: 550", 6])
    assert column(shop, event, "dead_at IS NOT NULL AND last_error = 'mail: 550'")
    # Nothing becomes of a dead letter, until it is sent again.
    assert shop.ask("outbox_settle_v1", [event], "failed") == 0
    assert shop.ask("outbox_retry_v1", [event, 2**40]) == 1
    assert take(shop.connection) == [event]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT outbox_take_v1(0)",
        "SELECT outbox_take_v1(1, 0)",
        "SELECT outbox_take_v1(1, 1, 0)",
        "SELECT outbox_settle_v1('{1}', 'lost')",
        "SELECT outbox_purge_v1(3599)",
        "SELECT outbox_purge_v1(3600, 0)",
        "SELECT checkout_take_v1(0)",
        "SELECT checkout_take_v1(1, 0)",
        "SELECT checkout_record_v1(gen_random_uuid(), 'perhaps')",
        "SELECT checkout_record_v1(gen_random_uuid(), 'authorised')",
    ],
)
def test_functions_refuse_arguments_out_of_range(pooled: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.Error) as raised:
        pooled.execute(statement)  # type: ignore[arg-type]
    assert raised.value.sqlstate == "HR001"


def test_purge_removes_what_was_delivered_long_ago(shop: Shop) -> None:
    old, young, waiting = (confirmed(shop) for _ in range(3))
    shop.connection.execute(
        "UPDATE stock_outbox SET delivered_at = now() - CASE WHEN id = %s THEN interval '2 hours' ELSE '0' END"
        " WHERE id = ANY (%s)",
        [old, [old, young]],
    )
    assert shop.ask("outbox_purge_v1", 3_600) == 1
    left = shop.connection.execute(
        "SELECT id FROM stock_outbox WHERE id = ANY (%s) ORDER BY id", [[old, young, waiting]]
    )
    assert [row[0] for row in left] == [young, waiting]


def test_notification_is_written_once_however_often_it_is_asked_for(
    shop: Shop, event: int, connect: Callable[[], psycopg.Connection]
) -> None:
    told = [connect().execute("SELECT notify_buyer_v1(%s)", [event]).fetchone() for _ in range(3)]
    assert told == [("notified",), ("already_notified",), ("already_notified",)]
    assert shop._one("SELECT count(*), min(user_id) FROM stock_notification WHERE event_id = %s", event) == (1, 1)
    assert shop.ask("notify_buyer_v1", 2**40) == "unknown_event"


@pytest.mark.usefixtures("django_service")
def test_relay_keeps_what_the_broker_did_not_take(shop: Shop) -> None:
    from service.stock import outbox

    events = [confirmed(shop) for _ in range(3)]
    sent: list[int] = []

    def send(event: outbox.Event) -> None:
        if len(sent) == 1:
            raise outbox.BrokerAway("connection refused")
        sent.append(event.event_id)

    assert outbox.relay(send) == 1
    assert sent == events[:1]
    assert column(shop, events[0], "published_at IS NOT NULL AND attempts = 1 AND last_error IS NULL")
    for each in events[1:]:
        # A broker that is away for a day makes no dead letters.
        assert column(shop, each, "published_at IS NULL AND attempts = 0 AND last_error = 'connection refused'")
        assert 0 < wait_s(shop, each) <= 5
        make_due(shop, each)
    assert outbox.relay(lambda event: sent.append(event.event_id)) == 2
    assert sent == events
    assert column(shop, events[2], "published_at IS NOT NULL AND attempts = 1 AND last_error IS NULL")


@pytest.mark.usefixtures("django_service")
def test_relay_hands_on_no_more_than_consumers_keep_up_with(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.stock import outbox

    monkeypatch.setattr(outbox, "MAX_UNDER_WAY", 3)
    events = [confirmed(shop) for _ in range(5)]
    sent: list[int] = []
    assert [outbox.relay(lambda event: sent.append(event.event_id)) for _ in range(2)] == [3, 0]
    assert shop.ask("outbox_settle_v1", events[:1], "delivered") == 1
    # One that failed waits its pause, and makes room.
    assert shop.ask("outbox_settle_v1", events[1:2], "failed", "mail: 550") == 1
    assert outbox.relay(lambda event: sent.append(event.event_id)) == 2
    assert sent == events


@pytest.mark.usefixtures("django_service")
def test_relay_hands_on_what_the_event_tells(shop: Shop, event: int) -> None:
    from service.stock import outbox

    sent: list[outbox.Event] = []
    outbox.relay(sent.append)
    (found,) = sent
    assert (found.event_id, found.event, found.payload["user_id"]) == (event, "confirmed", 1)
    assert uuid.UUID(found.order_id)
    assert outbox.Event(**found.as_json()) == found


def test_outbox_command_lists_dead_letters_and_sends_them_again(stack: Stack, shop: Shop, event: int) -> None:
    assert commands.run(stack, "outbox").stdout == "0 dead letters.\n"
    take(shop.connection)
    shop.connection.execute(SETTLE, [[event], "failed", "mail: 550", 1])
    assert f"{event} confirmed, 1 attempts: mail: 550" in commands.run(stack, "outbox").stdout
    assert f'"id": {event}' in commands.run(stack, "outbox", "--json").stdout
    wrong = commands.run(stack, "outbox", "--retry", str(event), str(2**40))
    assert wrong.returncode == 1
    assert "1 of the ids are no dead letters" in wrong.stderr
    assert take(shop.connection) == [event]
    assert commands.run(stack, "outbox", "--retry").stdout == "0 dead letters are sent again.\n"


def test_event_waits_for_a_broker_that_is_away(stack: Stack, shop: Shop, event: int) -> None:
    nowhere = {"BROKER_URL": f"redis://127.0.0.1:{free_port()}/1", "CONNECTION_MODE": "per_request"}
    code = "import service.config.worker; from service.stock.tasks import relay; print('sent', relay())"
    done = commands.run(stack, "shell", "-c", code, settings=nowhere)
    assert "sent 0" in done.stdout, done.stderr
    assert "the broker is away" in done.stderr
    assert column(shop, event, "attempts = 0 AND last_error LIKE '%%Connection refused%%'")
