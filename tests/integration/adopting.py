"""An old project on a server of its own, and a fresh copy of its database for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.oldshop.database import OldShop, seed
from tuning.stack import postgres
from tuning.stack.accounts import server_account
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.ports import free_port
from tuning.stack.profiles import POSTGRES_SETTINGS
from tuning.stack.secrets import load_or_make
from tuning.stack.stack import Stack

TEMPLATE = "oldshop"
ADOPTED = "oldshop_adopted"


class Copies:
    """Copies of a migrated and seeded database of the old project, all on one server."""

    def __init__(self, superuser: str, owner: str, directory: Path) -> None:
        self._superuser = superuser
        self._owner = owner
        self._directory = directory
        self._create(TEMPLATE, "template1")
        shop = self._open(TEMPLATE)
        shop.manage("migrate")
        seed(shop)
        shop.connection.close()

    def make(self, template: str = TEMPLATE) -> OldShop:
        name = f"oldshop_{uuid.uuid4().hex[:12]}"
        self._create(name, template)
        return self._open(name)

    def adopt(self) -> None:
        """Make a second database to copy: the adopted one."""
        self._create(ADOPTED, TEMPLATE)
        shop = self._open(ADOPTED)
        shop.adopt()
        shop.connection.close()

    def remove(self, shop: OldShop) -> None:
        name = shop.connection.info.dbname
        shop.connection.close()
        self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _open(self, name: str) -> OldShop:
        directory = self._directory / name
        directory.mkdir()
        return OldShop(make_conninfo(self._owner, dbname=name), directory)

    def _create(self, name: str, template: str) -> None:
        self._run(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(postgres.OWNER_ROLE), sql.Identifier(template)
            )
        )

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def copies(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    """On the running stack's server."""
    made = Copies(stack.superuser, stack.direct, tmp_path_factory.mktemp("oldshop"))
    made.adopt()
    yield made
    with psycopg.connect(stack.superuser, autocommit=True) as connection:
        for name in (ADOPTED, TEMPLATE):
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def copies_anywhere(
    any_postgres: PostgresBinaries, state_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Copies]:
    """On a server of its own, of each supported version that is here."""
    root = state_directory / f"oldshop-{any_postgres.version}"
    root.mkdir(mode=0o711)
    secrets = load_or_make(root / "secrets.json")
    server = postgres.Server(root / "data", free_port(), root / "postgres.log")
    child = postgres.start_primary(server, any_postgres, server_account(), POSTGRES_SETTINGS, secrets)
    try:
        postgres.prepare(server, secrets, {})
        yield Copies(
            server.conninfo(postgres.SUPERUSER, secrets.superuser, postgres.SUPERUSER),
            server.conninfo(postgres.MIGRATOR_ROLE, secrets.migrator),
            tmp_path_factory.mktemp("oldshop"),
        )
    finally:
        child.stop()


@pytest.fixture
def oldshop(copies: Copies) -> Iterator[OldShop]:
    """The old project before the adoption."""
    shop = copies.make()
    yield shop
    copies.remove(shop)


@pytest.fixture
def adopted(copies: Copies) -> Iterator[OldShop]:
    """The old project with the functions on its tables."""
    shop = copies.make(ADOPTED)
    yield shop
    copies.remove(shop)


@pytest.fixture
def oldshop_anywhere(copies_anywhere: Copies) -> Iterator[OldShop]:
    """The old project before the adoption, on each version of PostgreSQL."""
    shop = copies_anywhere.make()
    yield shop
    copies_anywhere.remove(shop)
