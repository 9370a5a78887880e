"""Connections to the running stack, products of a test's own, and Django in this process."""

import os
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.cache_server import CacheServer
from tests.integration.shop import Shop
from tuning.stack import postgres
from tuning.stack.stack import Stack


@pytest.fixture
def direct(stack: Stack) -> Iterator[psycopg.Connection]:
    """An autocommit connection of the tables' owner, past PgBouncer."""
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        yield connection


@pytest.fixture
def pooled(stack: Stack) -> Iterator[psycopg.Connection]:
    """An autocommit connection of the service's role, through PgBouncer."""
    with psycopg.connect(stack.pooled, autocommit=True, prepare_threshold=None) as connection:
        yield connection


@pytest.fixture
def watcher(stack: Stack) -> Iterator[psycopg.Connection]:
    """An autocommit connection of the superuser, who sees what others wait for, and may end them."""
    with psycopg.connect(stack.superuser, dbname=postgres.DATABASE, autocommit=True) as connection:
        yield connection


@pytest.fixture
def shop(direct: psycopg.Connection) -> Iterator[Shop]:
    """A shop whose counters agree with ledger and reservations after every test (invariant 16).

    Holds that other tests left live for 15 minutes, which may be over by now: none becomes due meanwhile.
    """
    direct.execute(
        "UPDATE stock_reservation SET expires_at = expires_at + interval '1 day' WHERE status IN ('held', 'paying')"
        " AND expires_at BETWEEN now() AND now() + interval '3 minutes'"
    )
    yield Shop(direct)
    assert direct.execute("SELECT * FROM check_stock_v1()").fetchall() == []


@pytest.fixture(scope="session")
def django_service(stack: Stack) -> None:
    """Django in this process, on the running stack, through PgBouncer and with its Redis.

    It may write stock tables, which the strategies that write from Python need.
    """
    import django

    lab = stack.conninfo("lab", "pgbouncer")
    urls = {"DATABASE_URL": lab, "LANE_DATABASE_URL": make_conninfo(lab, dbname=postgres.LANE_DATABASE)}
    os.environ |= {f"HOTROW_{name}": value for name, value in (stack.service_env() | urls).items()}
    os.environ["DJANGO_SETTINGS_MODULE"] = "service.config.settings"
    django.setup()


@pytest.fixture
def cache_server(django_service: None) -> Iterator[CacheServer]:
    """A Redis that a test may kill and stop."""
    server = CacheServer()
    server.start()
    yield server
    server.end()


@pytest.fixture
def connect(stack: Stack) -> Iterator[Callable[[], psycopg.Connection]]:
    """A maker of further connections through PgBouncer, closed at the end."""
    opened: list[psycopg.Connection] = []

    def make() -> psycopg.Connection:
        opened.append(psycopg.connect(stack.pooled, autocommit=True, prepare_threshold=None))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()
