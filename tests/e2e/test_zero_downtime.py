"""A release is applied and reversed on a million rows while customers buy: nobody is refused and nobody waits."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest

from tests.integration.shop import Shop
from tests.release.traffic import CLIENTS, INTERVAL_S, traffic
from tuning.bench import growth
from tuning.bench.rig import Rig
from tuning.bench.shop import Shop as Filled
from tuning.stack import web
from tuning.stack.binaries import PostgresBinaries
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

ROWS = 1_000_000
WORST_S = 1.0
BLOCKED_S = 1.5
MIGRATE_S = 300
_COLUMN = "SELECT FROM pg_attribute WHERE attrelid = 'stock_reservation'::regclass AND attname = 'channel'"
_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"


@dataclass(frozen=True, slots=True)
class Live:
    """A running service with a million old reservations."""

    stack: Stack
    products: list[int]


@pytest.fixture(scope="module")
def live(any_postgres: PostgresBinaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """On each PostgreSQL."""
    profile = replace(KIT, name="release", has_replica=False)
    with running("release", profile, is_fresh=True, postgres_bin=any_postgres.directory) as stack:
        rig = Rig.of(stack, any_postgres.directory, tmp_path_factory.mktemp("release"))
        growth.fill(rig, Filled(rig), ROWS)
        with psycopg.connect(stack.direct, autocommit=True) as owner:
            yield Live(stack, [Shop(owner).product(1_000_000) for _ in range(5)])


def migrate(stack: Stack, *arguments: str) -> None:
    """Run the migrations of the service and the release as their owner, past PgBouncer."""
    settings = {**stack.service_env(), "DATABASE_URL": stack.direct, "CONNECTION_MODE": "per_request"}
    done = subprocess.run(
        [sys.executable, "-m", "service.manage", "migrate", "--verbosity=1", *arguments],
        env={**web.environment(settings), "DJANGO_SETTINGS_MODULE": "tests.release.settings"},
        capture_output=True,
        text=True,
        timeout=MIGRATE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_release_is_applied_and_reversed_under_load(live: Live) -> None:
    with psycopg.connect(live.stack.direct, autocommit=True) as owner:
        with traffic(live.stack.url, live.products) as seen:
            began = time.monotonic()
            # The service's own indexes, gone and built again, and the release with all that it does to the table.
            for arguments in (["stock", "0003"], ["stock"], ["checkout"], ["release"]):
                migrate(live.stack, *arguments)
                assert owner.execute(_INVALID).fetchall() == []
            (rows,) = owner.execute("SELECT count(channel) FROM stock_reservation").fetchone() or (0,)
            assert rows > ROWS
            migrate(live.stack, "release", "zero")
            lasted = time.monotonic() - began
        assert owner.execute(_COLUMN).fetchall() == []
        assert Shop(owner).violations() == []
    assert seen.failures == []
    assert seen.worst[0] <= WORST_S, seen.worst
    # They were there all the time: at least half as many requests as were to begin.
    assert len(seen.seconds) > CLIENTS * lasted / INTERVAL_S / 2


def test_a_lock_that_is_held_is_seen_by_the_customers(live: Live) -> None:
    """The control: the same customers, and a lock such as a migration without limits would take."""
    with (
        psycopg.connect(live.stack.direct) as owner,
        traffic(live.stack.url, live.products) as seen,
    ):
        owner.execute("LOCK TABLE stock_reservation IN ACCESS EXCLUSIVE MODE")
        time.sleep(BLOCKED_S)
        owner.rollback()
        time.sleep(0.2)
    assert seen.worst[0] > WORST_S or seen.failures
