"""Kept answers on a real Redis: versions, changes, one computation, poison, and outages in one process."""

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.cache_server import PATIENCE_S, CacheServer
from tests.integration.shop import Shop, call
from tests.unit.test_answers import run_many, until
from tuning.stack.stack import Stack

pytestmark = pytest.mark.usefixtures("django_service")


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, django_service: None) -> None:
    """Whoever finds Redis slow computes alone; a machine that is busy with tests makes it look slow."""
    if "outage" in request.node.name:
        return
    from service.cache import breaker, shared

    for module, name in ((breaker, "SLOW_S"), (shared, "SLOW_S"), (shared, "SETTLE_S")):
        monkeypatch.setattr(module, name, PATIENCE_S)


def lifetime(fresh_s: float = 30, keep_s: float = 60, near_s: float = 0) -> Any:
    from service.cache.entry import Lifetime

    return Lifetime(fresh_s, keep_s, near_s)


def entry(version: int) -> Any:
    from service.cache.entry import Entry

    return Entry.of(version, b'{"of_version":%d}' % version)


def store_of(server: CacheServer) -> Any:
    from service.cache.entry import Seal
    from service.cache.redis import RedisStore

    return RedisStore(server.client(), Seal(b"secret"))


def write(store: Any, version: int, epoch: str = "", claim: str | None = None) -> bool:
    return bool(store.write("k", "t", entry(version), epoch=epoch, lifetime=lifetime(), claim=claim))


def test_older_version_never_overwrites_a_newer_one_in_redis(cache_server: CacheServer) -> None:
    store, other = store_of(cache_server), store_of(cache_server)
    assert [write(store, 5), write(other, 4), write(other, 5), write(store, 6)] == [True, False, True, True]
    assert other.read("k", "t", lifetime()).entry == entry(6)
    # The control: a cache that is simply set has what was written last.
    with cache_server.client() as raw:
        raw.set("k", 5)
        raw.set("k", 4)
        assert raw.get("k") == b"4"


def test_stalled_reader_does_not_bring_back_what_was_before(cache_server: CacheServer, shop: Shop) -> None:
    """Invariant 22 with the service's own reads: whoever read before a reservation writes after it."""
    from service.stock import availability

    product = shop.product(5)
    for is_told in (True, False):
        store = store_of(cache_server)
        early, before = availability._read(product), store.read("k", "t", lifetime())
        assert call(shop.connection, [product], [1]).outcome == "reserved"
        if is_told:
            store.bump({"t": 0})
        late, after = availability._read(product), store.read("k", "t", lifetime())
        assert not early.replaces(late)
        if not is_told:
            # Nobody told of the change: the version alone decides.
            assert store.write("k", "t", late, epoch=after.epoch, lifetime=lifetime(), claim=None)
        assert not store.write("k", "t", early, epoch=before.epoch, lifetime=lifetime(), claim=None)
        assert store.read("k", "t", lifetime()).entry == (None if is_told else late)


def test_position_orders_whatever_two_readers_saw(stack: Stack, shop: Shop) -> None:
    """Readers beside writers: who has seen another's end never saw an older state."""
    from service.db.positions import END, ENDED, SEEN

    product = shop.product(10_000)
    end = time.monotonic() + 2

    def work(do: Callable[[psycopg.Connection], Any]) -> list[Any]:
        with psycopg.connect(stack.direct, autocommit=True) as connection:
            told = []
            while time.monotonic() < end:
                told.append(do(connection))
            return told

    def read(connection: psycopg.Connection) -> Any:
        statement = (
            f"SELECT {SEEN}; SELECT {END}, {ENDED}, version, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            " FROM stock_availability_v1(ARRAY[%s::bigint])"
        )
        with psycopg.ClientCursor(connection) as cursor:
            (seen,) = cursor.execute(statement, [product]).fetchone()  # type: ignore[arg-type,misc]
            cursor.nextset()
            return seen, *cursor.fetchone()  # type: ignore[misc]

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(work, lambda connection: call(connection, [product], [1])) for _ in range(3)]
        readers = [pool.submit(work, read) for _ in range(3)]
        seen = [row for reader in readers for row in reader.result()]
        assert sum(len(writer.result()) for writer in writers) > 50

    assert len({version for _, _, _, version, _ in seen}) > 20
    # Each beside the newest state that somebody saw whom it would replace.
    newest, ordered = 0, 0
    ends = sorted(((end, ended), version) for _, end, ended, version, _ in seen)
    for began, version in sorted(((position, ended), version) for position, _, ended, version, _ in seen):
        while ordered < len(ends) and ends[ordered][0] <= began:
            newest = max(newest, ends[ordered][1])
            ordered += 1
        assert version >= newest
    assert ordered > len(seen) / 2
    # The control: the youngest transaction's number alone does not tell who was still under way.
    other, is_told_apart = shop.product(10), []
    with psycopg.connect(stack.direct) as slow:
        for _ in range(5):
            call(slow, [product], [1])
            call(shop.connection, [other], [1])
            before = read(shop.connection)
            slow.commit()
            after = read(shop.connection)
            assert (before[1], before[2]) <= (after[0], after[2])
            assert not (after[1], after[2]) <= (before[0], before[2])
            assert before[3] < after[3]
            is_told_apart.append(before[4] < after[4])
    # Unless somebody else happens to end a transaction at the same moment.
    assert not all(is_told_apart)


@pytest.mark.parametrize("poison", ["pickle", "json", "list", "number", "another's"])
def test_what_others_wrote_is_a_miss_and_makes_room(cache_server: CacheServer, tmp_path: Path, poison: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/went-off",)

    store, name = store_of(cache_server), "hotrow:1:answer:k"
    with cache_server.client() as raw:
        match poison:
            case "pickle":
                raw.set(name, pickle.dumps(Bomb()))
            case "json":
                raw.set(name, b'{"seen":999999999999999,"end":999999999999999,"ended":1,"available":1000}')
            case "list":
                raw.rpush(name, "x")
                raw.rpush("hotrow:1:epoch:t", "x")
            case "number":
                raw.set(name, 7)
            case "another's":
                store.write("other", "t", entry(99), epoch="", lifetime=lifetime(), claim=None)
                raw.rename("hotrow:1:answer:other", name)
    answers = cache_server.answers()
    told = [answers.get("k", "t", lifetime(), lambda least: entry(1)) for _ in range(2)]
    assert told == [entry(1)] * 2
    assert not (tmp_path / "went-off").exists()
    # It was kept in its place.
    assert cache_server.answers().get("k", "t", lifetime(), lambda least: entry(2)) == entry(1)


def count(answers: list[Any], callers: int) -> int:
    """How many computations it takes to answer so many callers of one key at once."""
    calls: list[int] = []

    def compute(least: int) -> Any:
        calls.append(1)
        time.sleep(0.05)
        return entry(len(calls))

    turns = iter(range(callers))
    told = run_many(callers, lambda: answers[next(turns) % len(answers)].get("k", "t", lifetime(), compute))
    assert len({each.body for each in told}) <= len(calls)
    return len(calls)


def test_cold_key_is_computed_once_for_500_callers_in_two_processes(
    cache_server: CacheServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.cache import answers
    from service.cache.answers import Answers
    from service.cache.memory import MemoryStore

    monkeypatch.setattr(answers, "OTHERS_S", PATIENCE_S)
    assert count([cache_server.answers(), cache_server.answers()], 500) == 1
    # The controls: without Redis once a process, without a cache each time.
    assert count([Answers(MemoryStore(), None), Answers(MemoryStore(), None)], 100) == 2
    assert count([Answers(None, None)], 20) == 20


def test_claim_of_a_process_that_died_holds_up_nobody_for_long(cache_server: CacheServer) -> None:
    assert store_of(cache_server).claim("k")
    answers = cache_server.answers()
    began = time.monotonic()
    assert answers.get("k", "t", lifetime(), lambda least: entry(1)) == entry(1)
    assert 0.15 < time.monotonic() - began < 1
    assert answers.get("k", "t", lifetime(), lambda least: entry(2)) == entry(1)


def test_stale_answer_is_served_while_one_computes_the_next(cache_server: CacheServer) -> None:
    one, other, life = cache_server.answers(), cache_server.answers(), lifetime(fresh_s=0.2)
    assert one.get("k", "t", life, lambda least: entry(1)) == entry(1)
    time.sleep(0.3)
    is_computing, may_end = threading.Event(), threading.Event()

    def slow(least: int) -> Any:
        is_computing.set()
        may_end.wait(5)
        return entry(2)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one.get, "k", "t", life, slow)
        is_computing.wait(5)
        for answers in (one, other):
            began = time.monotonic()
            assert answers.get("k", "t", life, lambda least: entry(3)) == entry(1)
            assert time.monotonic() - began < 0.1
        may_end.set()
        assert first.result() == entry(2)
    assert other.get("k", "t", life, lambda least: entry(3)) == entry(2)


def test_stale_answer_is_served_when_the_database_is_away(cache_server: CacheServer) -> None:
    from django.db import OperationalError

    answers, life = cache_server.answers(), lifetime(fresh_s=0.1, keep_s=1)
    answers.get("k", "t", life, lambda least: entry(1))
    time.sleep(0.2)

    def fail(least: int) -> Any:
        raise OperationalError("the connection is lost") from psycopg.OperationalError()

    assert answers.get("k", "t", life, fail) == entry(1)
    time.sleep(1)
    with pytest.raises(OperationalError):
        answers.get("k", "t", life, fail)


def test_change_is_seen_here_at_once_and_elsewhere_soon(cache_server: CacheServer) -> None:
    here, elsewhere = cache_server.answers(), cache_server.answers()
    for version in range(1, 30):
        assert here.get("k", "t", lifetime(), lambda least, v=version: entry(v)) == entry(version)
        assert elsewhere.get("k", "t", lifetime(), lambda least: entry(99)) == entry(version)
        here.changed(["t"])
    here.get("k", "t", lifetime(), lambda least: entry(50))
    elsewhere.changed(["t"])
    assert until(lambda: here.get("k", "t", lifetime(), lambda least: entry(51)) == entry(51), 2) < 0.5


def test_near_copy_spares_redis_and_ends_with_a_change(cache_server: CacheServer) -> None:
    here, elsewhere, life = cache_server.answers(), cache_server.answers(), lifetime(near_s=0.5)
    here.get("k", "t", life, lambda least: entry(1))
    with cache_server.client() as raw:
        before = raw.info("commandstats")["cmdstat_evalsha"]["calls"]
        for _ in range(100):
            here.get("k", "t", life, lambda least: entry(2))
        assert raw.info("commandstats")["cmdstat_evalsha"]["calls"] == before
    elsewhere.changed(["t"])
    assert until(lambda: here.get("k", "t", life, lambda least: entry(2)) == entry(2), 2) > 0.1
    here.changed(["t"])
    assert here.get("k", "t", life, lambda least: entry(3)) == entry(3)


@pytest.mark.parametrize("fault", ["killed", "stopped"])
def test_outage_costs_a_request_little_and_ends_by_itself(cache_server: CacheServer, fault: str) -> None:
    from service.config.settings import REDIS_TIMEOUT_S

    answers = cache_server.answers(REDIS_TIMEOUT_S)
    answers.get("k", "t", lifetime(), lambda least: entry(1))
    if fault == "killed":
        cache_server.kill()
    else:
        cache_server.signal(signal.SIGSTOP)
    began, took, numbers = time.monotonic(), [], iter(range(10**6))
    while time.monotonic() - began < 1:
        asked = time.monotonic()
        # A key of its own each time: nothing is there that could be served without Redis.
        answers.get(f"k{next(numbers)}", "t", lifetime(), lambda least: entry(2))
        took.append(time.monotonic() - asked)
    assert sorted(took)[-2] < 0.25
    assert answers._shared.is_away
    # Three requests notice it, and no other one pays.
    assert sum(each > 0.05 for each in took) <= 4 + len(took) // 100
    assert not answers.is_well()
    answers.changed(["t"])
    if fault == "killed":
        cache_server.start()
    else:
        cache_server.signal(signal.SIGCONT)
    assert until(answers.is_well, 5) < 5
    # What Redis had before the outage is not believed: something has changed since.
    assert answers.get("k", "t", lifetime(), lambda least: entry(3)) == entry(3)


def test_outage_leaves_a_process_its_own_memory(cache_server: CacheServer) -> None:
    answers = cache_server.answers()
    cache_server.kill()
    until(lambda: answers._shared.is_away or not answers.is_well(), 1)
    until(lambda: bool(answers.is_well() or answers._shared.is_away), 1)
    assert answers.get("k", "t", lifetime(), lambda least: entry(1)) == entry(1)
    assert answers.get("k", "t", lifetime(), lambda least: entry(2)) == entry(1)
    answers.changed(["t"])
    assert answers.get("k", "t", lifetime(), lambda least: entry(2)) == entry(2)
