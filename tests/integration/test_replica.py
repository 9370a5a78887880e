"""Reads on the replica: who wrote sees it, nobody is told of an outage, and nothing older comes back."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.client import Client
from tests.conftest import missing
from tests.integration.replicas import ReadReplica
from tests.integration.shop import Shop, call
from tests.integration.test_faults import IS_SOAK, MAIN, PERSISTENT, POOL_SIZE, RECOVERY_S, Way, buyers, served
from tuning.stack import binaries
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

HEADER = "Hotrow-Position"
DELAY_S = 2.0
PAIRS = 2_000 if IS_SOAK else 500
PAIRS_BESIDE = 2_000 if IS_SOAK else 150
WRITERS = 5
# A replica that hangs is noticed after half a second, and after two where a connection is being made.
NOTICED_S = 3.0
SYNC = Way("sync", "per_request", "function")
WAYS = [(MAIN, True), (PERSISTENT, True), (SYNC, True)] if IS_SOAK else [(MAIN, True), (PERSISTENT, False)]


@pytest.fixture(scope="module")
def copied(state_directory: Path) -> Iterator[Stack]:
    """A stack of this module's own: its replica is held up, killed and promoted."""
    for program in ("pgbouncer", "redis-server"):
        if binaries.find(program) is None:
            missing(program)
    with running("replica", replace(KIT, has_web=False), is_fresh=True) as started:
        yield started


@pytest.fixture
def replica(copied: Stack) -> Iterator[ReadReplica]:
    found = ReadReplica(copied)
    yield found
    found.delay(0)


def write_then_read(url: str, stack: Stack, pairs: int, *, has_token: bool, is_told: bool) -> int:
    """Reserve and look, again and again; how often the look did not show the reservation.

    Unless ``is_told``, the units are taken past the service, which hears nothing of it.
    """
    with psycopg.connect(stack.direct, autocommit=True) as direct:
        products = [Shop(direct).product(pairs) for _ in range(WRITERS)]
    if not has_token:
        # Or it would not know the products, and the primary would be asked.
        ReadReplica(stack).await_caught_up()
    with Client(url) as client:
        client.log_in("user1")
        token = client.token

    def count(product: int) -> int:
        stale = 0
        # Two connections: what is read may come from another worker than what was written.
        with Client(url) as writer, Client(url) as reader, psycopg.connect(stack.direct, autocommit=True) as direct:
            writer.token = reader.token = token
            for done in range(1, pairs // WRITERS + 1):
                if is_told:
                    made = writer.reserve(product, 1)
                    assert made.status == 201
                    position = made.headers[HEADER]
                else:
                    assert call(direct, [product], [1]).outcome == "reserved"
                    ((written,),) = direct.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchall()
                    position = f"1-{int(written) + 1:x}"
                headers = {HEADER: position} if has_token else {}
                seen = reader.get(f"/api/products/{product}/availability", headers)
                assert seen.status == 200, seen.body
                stale += seen.json["available"] != pairs - done
        return stale

    with ThreadPoolExecutor(WRITERS) as pool:
        return sum(pool.map(count, products))


@pytest.mark.parametrize(
    ("cache", "way", "is_told", "pairs"),
    [
        ("none", MAIN, True, PAIRS),
        ("memory", PERSISTENT, True, PAIRS_BESIDE),
        ("redis", MAIN, False, PAIRS_BESIDE),
    ],
    ids=["none-batched", "memory-function", "redis-past-the-service"],
)
def test_who_wrote_sees_it_with_the_replica_two_seconds_behind(
    copied: Stack, replica: ReadReplica, tmp_path: Path, cache: str, way: Way, is_told: bool, pairs: int
) -> None:
    with served(copied, way, tmp_path / "web.log", CACHE=cache, WORKERS="2") as url:
        with Client(url) as client:
            client.log_in("user1")
            warm(client, replica)
        replica.delay(DELAY_S)
        assert write_then_read(url, copied, pairs, has_token=True, is_told=is_told) == 0
        # The control.
        assert write_then_read(url, copied, 50, has_token=False, is_told=is_told) > 0


def warm(client: Client, replica: ReadReplica) -> None:
    """Ask until the replica answers; each product for itself, as an answer may be kept."""
    deadline, before, product = time.monotonic() + 10, replica.reads(), 1
    while replica.reads() < before + 3:
        assert time.monotonic() < deadline, "the replica is not read"
        assert client.post("/api/availability", {"product_ids": [product]}).status == 200
        assert client.get(f"/api/products/{product}/availability").status == 200
        time.sleep(0.05)


@pytest.mark.parametrize("cache", ["memory", "redis"] if IS_SOAK else ["redis"])
def test_change_is_not_undone_by_an_answer_of_the_replica(
    copied: Stack, replica: ReadReplica, tmp_path: Path, cache: str
) -> None:
    with psycopg.connect(copied.direct, autocommit=True) as direct:
        product = Shop(direct).product(50)
    replica.await_caught_up()
    with served(copied, MAIN, tmp_path / "web.log", CACHE=cache) as url, Client(url) as client:
        client.log_in("user1")
        warm(client, replica)
        replica.delay(DELAY_S)

        def free() -> int:
            return int(client.get(f"/api/products/{product}/availability").json["available"])

        for left in (49, 48, 47):
            assert client.reserve(product, 1).status == 201
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                assert free() == left
                time.sleep(0.02)
        # The control: what asks past the cache, and names no position, sees what was before.
        assert client.reserve(product, 1).status == 201
        (told,) = client.post("/api/availability", {"product_ids": [product]}).json
        assert told["available"] > 46


def test_product_that_the_replica_does_not_know_is_looked_for_on_the_primary(
    copied: Stack, replica: ReadReplica, tmp_path: Path
) -> None:
    with served(copied, SYNC, tmp_path / "web.log", CACHE="none") as url, Client(url) as client:
        client.log_in("user1")
        warm(client, replica)
        replica.delay(DELAY_S)
        with psycopg.connect(copied.direct, autocommit=True) as direct:
            product = Shop(direct).product(7)
        assert client.get(f"/api/products/{product}/availability").json["available"] == 7
        # The control: of many products those are left out that are not known.
        assert client.post("/api/availability", {"product_ids": [product]}).json == []


def test_header_is_told_by_each_write_and_refused_when_it_is_none(
    copied: Stack, replica: ReadReplica, tmp_path: Path
) -> None:
    with psycopg.connect(copied.direct, autocommit=True) as direct:
        shop = Shop(direct)
        product, sold_out = shop.product(9), shop.product(0)
    replica.await_caught_up()
    with served(copied, MAIN, tmp_path / "web.log") as url, Client(url) as client:
        client.log_in("user1")
        made, other = client.reserve(product, 1), client.reserve(product, 1)
        one = f"/api/reservations/{made.json['order_id']}"
        writes = [
            made,
            client.post(f"{one}/extend", {}),
            client.post(f"{one}/payment", {}),
            client.post(f"{one}/confirm", {"payment_ref": "p"}),
            client.post(f"/api/reservations/{other.json['order_id']}/release", {}),
            client.post(f"/api/products/{sold_out}/waitlist", {"quantity": 1}),
            client.delete(f"/api/products/{sold_out}/waitlist"),
        ]
        assert [each.status for each in writes] == [201, 200, 200, 200, 200, 201, 204]
        told = [each.headers[HEADER] for each in writes]
        assert [int(each.removeprefix("1-"), 16) for each in told] == sorted(
            int(each.removeprefix("1-"), 16) for each in told
        )
        look = f"/api/products/{product}/availability"
        for path in (look, "/api/products"):
            assert client.get(path).headers[HEADER] is None
            assert client.get(path, {HEADER: told[-1]}).status == 200
            for bad in ("", "1", "0/1", "1-", "1-xyz", "2-1", f"1-{'f' * 15}", "1-1 "):
                refused = client.get(path, {HEADER: bad + "\t" if bad.endswith(" ") else bad})
                expected = 200 if bad.strip() == "1-1" else 400
                assert (bad, refused.status) == (bad, expected)
        # A position that no server reaches costs a short wait, and the primary answers.
        began = time.monotonic()
        assert client.get(look, {HEADER: "1-fffffffffffff"}).json["available"] == 8
        assert time.monotonic() - began < 1


def test_reads_cost_the_primary_nothing_while_the_replica_is_as_good(
    copied: Stack, replica: ReadReplica, tmp_path: Path
) -> None:
    with psycopg.connect(copied.direct, autocommit=True) as direct:
        product = Shop(direct).product(9)
    replica.await_caught_up()
    with served(copied, MAIN, tmp_path / "web.log", CACHE="none", REPLICA_WAIT_S="1") as url, Client(url) as client:
        client.log_in("user1")
        warm(client, replica)
        made = client.reserve(product, 1)
        headers = {HEADER: made.headers[HEADER]}
        reads = {
            "availability": lambda: client.get(f"/api/products/{product}/availability", headers),
            "list": lambda: client.get("/api/products?page_size=3", headers),
            "many": lambda: client.post("/api/availability", {"product_ids": [product]}, headers),
        }
        for name, ask in reads.items():
            before = replica.reads(), replica.reads_of_primary()
            assert ask().status == 200
            # Twice where it was not there yet.
            assert replica.reads() > before[0]
            assert (name, replica.reads_of_primary() - before[1]) == (name, 0)
        # The control.
        replica.execute("SELECT pg_wal_replay_pause()")
        try:
            headers[HEADER] = client.reserve(product, 1).headers[HEADER]
            for name, ask in reads.items():
                primary = replica.reads_of_primary()
                assert ask().status == 200
                assert (name, replica.reads_of_primary() - primary) == (name, 1)
        finally:
            replica.execute("SELECT pg_wal_replay_resume()")


@pytest.mark.parametrize(("way", "is_held_up"), WAYS, ids=str)
def test_replica_held_up_frozen_and_killed_is_no_error(
    copied: Stack, replica: ReadReplica, tmp_path: Path, way: Way, is_held_up: bool
) -> None:
    replica.await_caught_up()
    with buyers(copied, way, tmp_path, CACHE="none", REPLICA_MAX_LAG_S="2") as traffic:
        replica.await_reads(RECOVERY_S)

        if is_held_up:
            # Further behind than the limit: not read, until it has caught up.
            replica.execute("SELECT pg_wal_replay_pause()")
            replica.await_silence(2 + RECOVERY_S)
            assert traffic.await_success(time.monotonic()) < NOTICED_S
            replica.execute("SELECT pg_wal_replay_resume()")
            assert replica.await_reads(2 * RECOVERY_S) < RECOVERY_S

        # It takes connections and answers nobody: one wait of half a second for those who ask it now.
        with replica.frozen():
            for _ in range(3):
                assert traffic.await_success(time.monotonic()) < NOTICED_S
                time.sleep(0.5)
        assert replica.await_reads(2 * RECOVERY_S) < RECOVERY_S

        copied.end("replica", is_killed=True)
        for _ in range(3):
            assert traffic.await_success(time.monotonic()) < NOTICED_S
            time.sleep(0.3)
        copied.begin("replica")
        assert replica.await_reads(2 * RECOVERY_S) < RECOVERY_S
        assert replica.sessions() <= (9 if way.mode == "persistent" else POOL_SIZE) + 1
    assert traffic.told.statuses[503] == 0
    assert traffic.told.statuses[200] > 100


def test_promoted_replica_is_no_replica(copied: Stack, replica: ReadReplica, tmp_path: Path) -> None:
    replica.await_caught_up()
    try:
        with buyers(copied, MAIN, tmp_path, CACHE="none") as traffic:
            replica.await_reads(RECOVERY_S)
            replica.execute("SELECT pg_promote()")
            replica.await_silence(RECOVERY_S)
            assert traffic.await_success(time.monotonic()) < NOTICED_S
        assert traffic.told.statuses[503] == 0
    finally:
        # There is no way back: the others get a new one.
        copied.end("replica")
        shutil.rmtree(copied.paths.data("replica"))
        copied.begin("replica")
