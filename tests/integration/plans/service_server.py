"""The service's schema with a shop's worth of rows, built once and kept for the next run of the tests.

It is kept below the state directory that was set when the tests began, under a name that is a hash of all it is made
from; a change of the schema or of the rows builds another, and removes this one.
"""

import fcntl
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import STATE_ROOT
from tests.unit.command import ROOT
from tuning.stack import binaries, postgres
from tuning.stack.accounts import server_account
from tuning.stack.paths import InstancePaths
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

DATA = Path(__file__).with_name("service_data.sql")
MADE_FROM = (
    DATA, Path(__file__), *(ROOT / "sql").rglob("*.sql"), *(ROOT / "service").glob("*/migrations/*.py"),
)  # fmt: skip
PREFIX = "service-plans-"
# A build that was ended has no such file, and is begun again.
BUILT = "built"
# It takes 2.7 GiB, and more while indexes are built.
NEEDED_BYTES = 5 * 2**30
SETTINGS = {
    "shared_buffers": "512MB",
    # What is lost in a crash is built again.
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "max_wal_size": "8GB", "autovacuum": "off",
}  # fmt: skip
# The largest tables, one for each of two sessions that index at a time.
HALVES = (("stock_reservation", "checkout"), ("stock_transaction", "product", "product_stock"))


def name() -> str:
    """The instance's: a hash of the migrations, the SQL files, the rows, the settings and PostgreSQL's version."""
    found = sha256(binaries.postgres(None, server_account()).version.encode())
    for path in sorted(MADE_FROM):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return PREFIX + found.hexdigest()[:12]


@contextmanager
def served() -> Iterator[Stack]:
    """The server with its rows, built where it is not there yet."""
    profile = replace(
        KIT, name="service-plans", has_pgbouncer=False, has_redis=False, has_replica=False, has_web=False,
        postgres_settings={**KIT.postgres_settings, **SETTINGS},
    )  # fmt: skip
    STATE_ROOT.mkdir(parents=True, exist_ok=True)
    with ExitStack() as started:
        # Another run of the tests has it: this one waits for its turn.
        turn = started.enter_context((STATE_ROOT / f"{PREFIX}lock").open("w"))
        fcntl.flock(turn, fcntl.LOCK_EX)
        with _state_root():
            paths = InstancePaths.of(name())
            built = paths.root / BUILT
            if not built.exists():
                for old in STATE_ROOT.glob(f"{PREFIX}*/"):
                    shutil.rmtree(old, ignore_errors=True)
                if shutil.disk_usage(STATE_ROOT).free < NEEDED_BYTES:
                    pytest.fail(
                        f"{STATE_ROOT} has less than {NEEDED_BYTES // 2**30} GiB free for the service's rows:"
                        " make room, or set HOTROW_STATE_DIR to a larger disk"
                    )
            stack = started.enter_context(running(name(), profile))
        if not built.exists():
            _build(make_conninfo(stack.superuser, dbname=postgres.DATABASE))
            built.touch()
        yield stack


@contextmanager
def _state_root() -> Iterator[None]:
    """The state directory from before the tests in the place of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOTROW_STATE_DIR", str(STATE_ROOT))
        yield


def _build(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        with connection.transaction():
            connection.execute(DATA.read_bytes())
        threads = [threading.Thread(target=_index, args=(dsn, tables)) for tables in HALVES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (left,) = connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisready OR NOT indisvalid").fetchone()
        assert left == 0
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _index(dsn: str, tables: tuple[str, ...]) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        for table in tables:
            connection.execute(f"REINDEX TABLE {table}")
            connection.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
