"""reserve_and_commit lets go of the counter before its commit is on disk, and answers after it."""

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.integration.bare import bare
from tests.integration.mutants import FUNCTIONS
from tests.integration.sessions import PATIENCE_S, two_sessions
from tests.integration.shop import Shop
from tuning.stack.stack import Stack

COMMITTING = "CALL reserve_and_commit_v1(%s, 1, %s, ARRAY[%s::bigint], '{1}', 900)"
HOLDING = "SELECT outcome FROM reserve_stock_v1(%s, 1, %s, ARRAY[%s::bigint], '{1}', 900)"
CLIENTS = 4
_WAITS = "SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE pid = %s"
RUN_S = 1.5
RECOVERY_S = 30


def request(product: int) -> tuple[str, str, int]:
    return str(uuid.uuid4()), str(uuid.uuid4()), product


@contextlib.contextmanager
def no_commit_is_durable(watcher: psycopg.Connection) -> Iterator[None]:
    """Commits wait for a standby that does not exist, as they would for a slow disk."""
    watcher.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    watcher.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        watcher.execute("ALTER SYSTEM RESET synchronous_standby_names")
        watcher.execute("SELECT pg_reload_conf()")


def waits_for(watcher: psycopg.Connection, pid: int) -> str:
    """What a backend waits for, once that is a lock or the standby."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        row = watcher.execute(_WAITS, [pid]).fetchone()
        assert row is not None
        if row[0] == "Lock" or row[1] == "SyncRep":
            return str(row[0] if row[0] == "Lock" else row[1])
    pytest.fail("the backend waits for neither")


@pytest.mark.parametrize(("statement", "second_waits_for"), [(COMMITTING, "SyncRep"), (HOLDING, "Lock")])
def test_next_buyer_need_not_wait_until_the_first_is_durable(
    stack: Stack, shop: Shop, watcher: psycopg.Connection, statement: str, second_waits_for: str
) -> None:
    """Both answers wait for the standby; only in one transaction does the row wait with them (the control)."""
    product = shop.product(5)
    with two_sessions(stack.conninfo("app"), watcher) as (first, second):
        with no_commit_is_durable(watcher):
            first.send(statement, *request(product))
            assert waits_for(watcher, first.pid) == "SyncRep"
            second.send(statement, *request(product))
            assert waits_for(watcher, second.pid) == second_waits_for
            assert first.is_waiting
        assert (first.result(), second.result()) == ("reserved", "reserved")
    assert shop.free(product) == 3


def test_replay_waits_until_the_first_call_is_durable(stack: Stack, shop: Shop, watcher: psycopg.Connection) -> None:
    asked = request(shop.product(5))
    with two_sessions(stack.conninfo("app"), watcher) as (first, second):
        with no_commit_is_durable(watcher):
            first.send(COMMITTING, *asked)
            assert waits_for(watcher, first.pid) == "SyncRep"
            second.send(COMMITTING, *asked)
            assert waits_for(watcher, second.pid) == "SyncRep"
        assert (first.result(), second.result()) == ("reserved", "replayed")


def test_call_in_a_transaction_block_is_refused_and_writes_nothing(shop: Shop, pooled: psycopg.Connection) -> None:
    product = shop.product(1)
    with pytest.raises(psycopg.errors.InvalidTransactionTermination), pooled.transaction():
        pooled.execute(COMMITTING, request(product))
    assert shop.free(product) == 1


def test_session_keeps_its_synchronous_commit(shop: Shop, direct: psycopg.Connection) -> None:
    for product in (shop.product(1), shop.product(0)):
        direct.execute(COMMITTING, request(product))
        (setting,) = direct.execute("SELECT current_setting('synchronous_commit')").fetchone() or ()
        assert setting == "on"


def test_acknowledged_reservations_survive_a_crash() -> None:
    assert lost_in_a_crash("crash") == 0


def test_crash_loses_what_was_acknowledged_before_the_flush() -> None:
    """The control: without the second commit the same crash takes acknowledged reservations with it."""
    source = (FUNCTIONS / "reserve_and_commit_v1.sql").read_text()
    last = "v_lsn := pg_catalog.pg_logical_emit_message(true, 'hotrow', '');"
    assert source.count(last) == 1
    without = source.replace(last, "").replace("CREATE PROCEDURE", "CREATE OR REPLACE PROCEDURE")
    assert lost_in_a_crash("crash-control", without) > 0


def lost_in_a_crash(instance: str, procedure: str | None = None) -> int:
    """Crash a server under load; how many acknowledged reservations it does not have after that.

    A killed backend makes PostgreSQL forget its shared memory, and with it the log that was buffered
    and not yet written. The log writer, which would write it soon, is made to sleep.
    """
    with bare(instance, wal_writer_delay="10s", wal_writer_flush_after="1GB") as stack:
        with psycopg.connect(stack.direct, autocommit=True) as owner:
            if procedure:
                owner.execute(procedure)  # type: ignore[call-overload]
            product = Shop(owner).product(1_000_000)
        acknowledged: list[str] = []
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(reserve_until_lost, stack, product, acknowledged) for _ in range(CLIENTS)]
            time.sleep(RUN_S)
            with psycopg.connect(stack.superuser) as victim:
                os.kill(victim.info.backend_pid, signal.SIGKILL)
            for client in clients:
                client.result(timeout=PATIENCE_S)
        assert len(acknowledged) > CLIENTS
        with after_recovery(stack) as connection:
            (kept,) = connection.execute(
                "SELECT count(*) FROM stock_reservation WHERE order_id = ANY (%s::uuid[])", [acknowledged]
            ).fetchone() or (0,)
        return len(acknowledged) - int(kept)


def reserve_until_lost(stack: Stack, product: int, acknowledged: list[str]) -> None:
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(stack.conninfo("app"), autocommit=True) as connection,
    ):
        while True:
            asked = request(product)
            (outcome, *_) = connection.execute(COMMITTING, asked).fetchone() or ("",)
            assert outcome == "reserved"
            acknowledged.append(asked[0])


@contextlib.contextmanager
def after_recovery(stack: Stack) -> Iterator[psycopg.Connection]:
    deadline = time.monotonic() + RECOVERY_S
    while True:
        try:
            with psycopg.connect(stack.direct, autocommit=True) as connection:
                yield connection
                return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "the server did not recover"
            time.sleep(0.1)
