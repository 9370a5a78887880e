"""The lane's own connection is lost: a batch whose outcome is unknown is sent again with the same keys."""

import uuid
from typing import Any

import psycopg
import pytest

from tests.integration.shop import Shop
from tuning.stack.ports import free_port
from tuning.stack.stack import Stack

pytestmark = pytest.mark.usefixtures("django_service")


def connection_to(stack: Stack, port: int | None = None) -> Any:
    """A connection of the lane past PgBouncer, whose servers come and go unseen."""
    from django.db import connections
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(stack.conninfo("app"))
    made = connections.create_connection("lane")
    made.settings_dict = {
        **made.settings_dict,
        "NAME": given["dbname"],
        "USER": given["user"],
        "PASSWORD": given["password"],
        "PORT": port or given["port"],
    }
    return made


def request(product: int, key: str) -> Any:
    from service.stock.strategies import Request

    return Request(uuid.uuid4(), 1, key, {product: 1}, 60)


def test_batch_on_a_lost_connection_is_sent_again_and_made_once(
    stack: Stack, shop: Shop, watcher: psycopg.Connection
) -> None:
    from django.db import Error

    from service.stock.strategies.batched import Sender

    product, first, second = shop.product(5), uuid.uuid4().hex, uuid.uuid4().hex
    connection = connection_to(stack)
    send = Sender(connection)
    try:
        assert [str(each.outcome) for each in send([request(product, first)])] == ["reserved"]
        for is_sent_again in (False, True):
            watcher.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
            if is_sent_again:
                # The first is what a client sends whose answer was lost with the connection.
                told = send([request(product, first), request(product, second)])
                assert [str(each.outcome) for each in told] == ["replayed", "reserved"]
            else:
                # The control: without the second try the batch fails.
                with pytest.raises(Error):
                    send._send([request(product, second)])
                connection.close()
                connection.connect()
    finally:
        connection.close()
    assert (shop.free(product), shop.reservations(product)) == (3, 2)


def test_batch_fails_when_the_server_stays_away(stack: Stack, shop: Shop) -> None:
    from django.db import OperationalError

    from service.stock.strategies.batched import Sender

    with pytest.raises(OperationalError):
        Sender(connection_to(stack, free_port()))([request(shop.product(1), uuid.uuid4().hex)])
