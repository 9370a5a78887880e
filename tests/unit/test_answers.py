"""The cache within one process: versions, tags, one computation, the breaker and the notices."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.cache.breaker import FAILURES, Breaker
from service.cache.entry import Entry, Seal
from service.cache.flights import Flights
from service.cache.memory import MemoryStore
from service.cache.notices import MAX_PENDING, PAUSE_S, Notices
from service.cache.redis import StoreAway


def entry(version: int) -> Entry:
    return Entry.of(version, b'{"version_of_test":%d}' % version)


def until(is_so: Callable[[], bool], within_s: float) -> float:
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within_s
        time.sleep(0.005)
    return time.monotonic() - began


def write(store: MemoryStore, version: int, *, key: str = "k", keep_s: float = 60) -> bool:
    return store.write(key, "t", entry(version), epoch=store.epoch("t"), fresh_s=keep_s / 2, keep_s=keep_s)


def test_memory_refuses_an_older_version_and_takes_the_same_and_newer() -> None:
    store = MemoryStore()
    assert [write(store, version) for version in (5, 4, 5, 6)] == [True, False, True, True]
    found = store.read("k", "t")
    assert (found.entry, found.is_fresh) == (entry(6), True)


def test_memory_takes_an_older_version_when_the_newer_is_over() -> None:
    store = MemoryStore()
    write(store, 5, keep_s=0.02)
    time.sleep(0.03)
    assert store.read("k", "t").entry is None
    assert write(store, 4)


def test_memory_forgets_a_tag_and_refuses_what_was_read_before_it() -> None:
    store = MemoryStore()
    write(store, 5)
    before = store.epoch("t")
    store.bump({"other": 0})
    assert store.read("k", "t").entry == entry(5)
    store.bump({"t": 0})
    assert store.read("k", "t").entry is None
    assert not store.write("k", "t", entry(9), epoch=before, fresh_s=1, keep_s=1)
    assert write(store, 9)


def test_memory_is_bounded_in_entries_and_tags() -> None:
    store = MemoryStore(max_entries=3, max_tags=10)
    for number in range(4):
        write(store, number, key=str(number))
    assert [store.read(str(number), "t").entry is None for number in range(4)] == [True, False, False, False]
    # Whatever is known of a tag no longer counts as changed; the control is a tag less.
    for number in range(9):
        store.bump({f"tag{number}": 0})
    write(store, 7)
    assert store.read("k", "t").entry is not None
    store.bump({"tag9": 0})
    assert store.read("k", "t").entry is not None
    store.bump({"tag10": 0})
    assert store.read("k", "t").entry is None
    assert len(store._epochs) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"seen":1}\n{}',
        b"\x80\x04\x95pickle",
        b'{"seen":1,"end":1,"ended":1,"epoch":"","seal":"' + b"0" * 32 + b'"}\n{"available":1}',
    ],
)
def test_seal_reads_nothing_but_its_own(text: bytes) -> None:
    seal = Seal(b"secret")
    assert seal.load("k", text) is None
    good = seal.dump("k", entry(3), "7-0a")
    assert seal.load("k", good) == (entry(3), "7-0a")
    assert seal.load("another", good) is None
    assert Seal(b"other").load("k", good) is None
    assert seal.load("k", good.replace(b'"seen":3', b'"seen":4')) is None
    assert seal.load("k", good[:-1]) is None


def run_many(count: int, call: Callable[[], object]) -> list[object]:
    ready = threading.Barrier(count)

    def each() -> object:
        ready.wait()
        return call()

    with ThreadPoolExecutor(count) as pool:
        return [done.result() for done in [pool.submit(each) for _ in range(count)]]


def test_flight_works_once_for_all_who_come_meanwhile() -> None:
    flights: Flights[int] = Flights()
    calls: list[int] = []

    def work(publish: object) -> int:
        calls.append(1)
        time.sleep(0.2)
        return len(calls)

    assert run_many(20, lambda: flights.run("k", work)) == [1] * 20
    assert flights.run("k", work) == 2


def test_flight_serves_what_was_published_before_it_is_done() -> None:
    flights: Flights[str] = Flights()
    is_published, may_end = threading.Event(), threading.Event()

    def work(publish: Callable[[str], None]) -> str:
        publish("last")
        is_published.set()
        may_end.wait(5)
        return "next"

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(flights.run, "k", work)
        is_published.wait(5)
        assert flights.run("k", work) == "last"
        may_end.set()
        assert leader.result() == "next"


def test_flight_fails_for_all_and_not_for_those_who_come_later() -> None:
    flights: Flights[int] = Flights()

    def fail(publish: object) -> int:
        time.sleep(0.1)
        raise ValueError("no")

    def caught() -> str:
        try:
            flights.run("k", fail)
        except ValueError as error:
            return str(error)
        return "it worked"

    assert run_many(5, caught) == ["no"] * 5
    assert flights.run("k", lambda publish: 3) == 3


def test_breaker_opens_after_failures_in_a_row_and_closes_when_the_probe_is_answered() -> None:
    is_away, opened = threading.Event(), []

    def ask() -> str:
        if is_away.is_set():
            raise StoreAway("away")
        return "here"

    breaker = Breaker(ask, lambda: opened.append(1))
    for _ in range(FAILURES - 1):
        is_away.set()
        with pytest.raises(StoreAway):
            breaker.call(ask)
    is_away.clear()
    assert breaker.call(ask) == "here"
    is_away.set()
    for number in range(FAILURES):
        assert not breaker.is_open, number
        with pytest.raises(StoreAway):
            breaker.call(ask)
    assert (breaker.is_open, opened) == (True, [1])
    with pytest.raises(StoreAway, match="open"):
        breaker.call(lambda: "not asked")
    time.sleep(0.7)
    assert breaker.is_open
    is_away.clear()
    assert until(lambda: not breaker.is_open, 5) < 1
    assert breaker.call(ask) == "here"


def test_breaker_opens_when_it_is_slow() -> None:
    is_slow = threading.Event()
    is_slow.set()

    def ask() -> None:
        time.sleep(0.06 if is_slow.is_set() else 0)

    breaker = Breaker(ask)
    for _ in range(FAILURES):
        breaker.call(ask)
    assert breaker.is_open
    time.sleep(0.7)
    assert breaker.is_open
    is_slow.clear()
    until(lambda: not breaker.is_open, 5)


def test_notices_go_together_and_never_hold_up_whoever_adds() -> None:
    sent: list[dict[str, int]] = []

    def send(tags: dict[str, int]) -> None:
        time.sleep(0.01)
        sent.append(tags)

    notices = Notices(send)
    began = time.monotonic()
    for number in range(2_000):
        notices.add({f"t{number % 10}": number})
    assert time.monotonic() - began < 0.5
    assert notices.is_told("t9", 1)
    assert len(sent) <= 1 + (time.monotonic() - began) / PAUSE_S
    assert {tag for tags in sent for tag in tags} == {f"t{number}" for number in range(10)}


def test_notices_wait_for_redis_and_are_bounded() -> None:
    is_away, sent = threading.Event(), []
    is_away.set()

    def send(tags: dict[str, int]) -> None:
        if is_away.is_set():
            raise StoreAway("away")
        sent.extend(tags)

    notices = Notices(send)
    notices.add({"first": 1})
    assert not notices.is_told("first", 0.05)
    assert notices.is_told("another", 0)
    notices.add({"first": 2, "second": 1})
    is_away.clear()
    assert notices.is_told("first", 2)
    assert sorted(sent) == ["first", "second"]
    is_away.set()
    notices.add({str(number): 0 for number in range(MAX_PENDING + 5)})
    assert len(notices._pending) + len(notices._sending) <= MAX_PENDING
