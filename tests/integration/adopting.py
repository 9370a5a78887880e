"""An old project on a server of its own, and a fresh copy of its database for each test."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.oldshop.database import OldShop, seed
from tuning.stack import postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make

TEMPLATE = "oldshop"


@pytest.fixture(scope="session")
def oldshop_server(any_postgres: PostgresBinaries, state_directory: Path) -> Iterator[Callable[[str], str]]:
    """A server with a migrated and seeded database of the old project; makes copies of it by name."""
    root = state_directory / f"oldshop-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    server = postgres.Server(root / "data", free_port(), root / "postgres.log")
    child = postgres.start_primary(server, any_postgres, server_account(), POSTGRES_SETTINGS, secrets)
    superuser = server.conninfo(postgres.SUPERUSER, secrets.superuser, postgres.SUPERUSER)

    def copy(name: str, template: str = TEMPLATE) -> str:
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(postgres.OWNER_ROLE), sql.Identifier(template)
                )
            )
        return server.conninfo(postgres.MIGRATOR_ROLE, secrets.migrator, name)

    try:
        postgres.prepare(server, secrets, {})
        shop = OldShop(copy(TEMPLATE, "template1"), root)
        shop.manage("migrate")
        seed(shop)
        shop.connection.close()
        yield copy
    finally:
        child.stop()


@pytest.fixture
def oldshop(oldshop_server: Callable[[str], str], tmp_path: Path) -> Iterator[OldShop]:
    """The old project before the adoption."""
    shop = OldShop(oldshop_server(f"oldshop_{uuid.uuid4().hex[:12]}"), tmp_path)
    yield shop
    shop.connection.close()


@pytest.fixture
def adopted(oldshop: OldShop) -> OldShop:
    """The same with the functions on its tables."""
    oldshop.adopt()
    return oldshop
