"""What a process knows of its replica's lag, the tokens of positions, and which kept answers will do."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.cache.answers import Answers
from service.cache.entry import Entry, Lifetime, floor
from service.cache.flights import Flights
from service.cache.memory import MemoryStore
from service.db import positions, replica
from service.db.positions import UNKNOWN
from service.db.replica import Replica

LIFE = Lifetime(30, 60)


class Watched(Replica):
    """A replica that answers; nobody looks at it, and the clock is a test's."""

    def __init__(self, clock: "Clock", seen: int) -> None:
        super().__init__(max_lag_s=5, wait_s=0.1)
        self.clock, self.is_away, self._is_watched, self._seen = clock, False, True, seen


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(replica, "time", found)
    return found


def test_lag_is_the_age_of_the_newest_note_that_is_replayed(clock: Clock) -> None:
    known = Watched(clock, seen=100)
    assert known.state().lag_s is None
    for position in (90, 100, 110):
        known.note(position, clock.now)
        clock.now += 1
    assert (known.lag_s(100), known.lag_s(110), known.lag_s(105)) == (2, 1, 2)
    assert known.lag_s(80) == float("inf")
    # Nothing is written any more: it is not behind, and that is known only as long as somebody looks.
    clock.now += 3
    assert known.lag_s(110) == 4
    known.note(110, clock.now)
    assert known.lag_s(110) == 0


def test_replica_is_of_use_within_the_limit_and_while_it_answers(clock: Clock) -> None:
    known = Watched(clock, seen=100)
    assert not known.is_of_use(0)
    known.note(100, clock.now)
    assert known.is_of_use(0)
    # The primary is away, or the replica is cut off: it is read until the limit.
    clock.now += 4.9
    assert known.is_of_use(0)
    clock.now += 0.2
    assert not known.is_of_use(0)
    assert not known.accepts(100)
    known.note(120, clock.now)
    assert not known.is_of_use(0)
    assert known.accepts(120)
    assert known.is_of_use(0)
    known.left()
    assert (known.is_of_use(0), known.outages) == (False, 1)


def test_position_that_is_far_away_is_not_waited_for(clock: Clock) -> None:
    known = Watched(clock, seen=100)
    known.note(100, clock.now)
    assert known.is_of_use(100)
    # Perhaps on its way: nothing older is missing.
    assert known.is_of_use(130)
    clock.now += 0.2
    known.note(120, clock.now)
    clock.now += 0.2
    assert known.is_of_use(130)
    # It was asked, and still has not what the primary had 0.2 s ago.
    assert known.accepts(100)
    assert not known.is_of_use(130)
    assert known.is_of_use(100)
    assert not known.is_of_use(UNKNOWN)


def test_notes_are_bounded(clock: Clock) -> None:
    known = Watched(clock, seen=0)
    for number in range(10_000):
        known.note(number, clock.now)
        clock.now += 0.01
    assert len(known._notes) < 1_000
    clock.now += 100
    known.note(10_000, clock.now)
    assert len(known._notes) == 1


def test_token_is_read_as_it_was_told() -> None:
    for number in (0, 1, 2**40 + 1, UNKNOWN):
        assert positions.position(positions.token(number)) == number
    for bad in ("", "1", "1-", "1-g", "-1", "2-1", "1-1\n", f"1-{UNKNOWN + 1:x}", "1-" + "0" * 15):
        with pytest.raises(ValueError, match="no position"):
            positions.position(bad)


def entry(seen: int, end: int | None = None) -> Entry:
    return Entry.of(seen, b"%d" % seen, end)


def test_kept_answer_that_has_not_seen_the_position_is_read_anew() -> None:
    answers, asked = Answers(MemoryStore(), None), list[int]()

    def compute(least: int) -> Entry:
        asked.append(least)
        return entry(max(least, 10))

    assert answers.get("k", "t", LIFE, compute).seen == 10
    assert answers.get("k", "t", LIFE, compute, least=10).seen == 10
    assert answers.get("k", "t", LIFE, compute, least=20).seen == 20
    # The control: who names no position is served what is kept.
    assert answers.get("k", "t", LIFE, compute).seen == 20
    assert asked == [0, 20]


def test_next_answer_has_seen_the_change_and_what_was_shown_before() -> None:
    answers, asked = Answers(MemoryStore(), None), list[int]()

    log = iter(range(10, 1000, 20))

    def compute(least: int) -> Entry:
        asked.append(least)
        seen = max(least, next(log))
        return entry(seen, seen + 5)

    answers.get("k", "t", LIFE, compute)
    answers.changed(["t"], 30)
    answers.get("k", "t", LIFE, compute)
    # Told later, of an earlier change.
    answers.changed(["t"], 25)
    answers.get("k", "t", LIFE, compute)
    answers.get("k", "t", LIFE, compute, least=51)
    answers.changed(["t"])
    answers.get("k", "t", LIFE, compute)
    answers.changed(["t"], 40)
    answers.get("k", "t", LIFE, compute)
    assert asked == [0, 30, 30, 55, UNKNOWN, 40]


def test_floor_of_the_tags_that_were_forgotten_is_the_highest() -> None:
    store = MemoryStore(max_tags=3)
    for number in range(3):
        store.bump({f"t{number}": 10 * number})
    assert floor(store.epoch("another")) == 0
    store.bump({"t3": 5})
    assert floor(store.epoch("another")) == 20


def test_follower_does_not_take_what_is_not_enough() -> None:
    """Neither the last answer nor the next one of somebody else, if that has not seen its own write."""
    flights: Flights[int] = Flights()
    is_published, may_end = threading.Event(), threading.Event()

    def lead(publish: object) -> int:
        publish(1)  # type: ignore[operator]
        is_published.set()
        may_end.wait(5)
        return 2

    with ThreadPoolExecutor(4) as pool:
        leader = pool.submit(flights.run, "k", lead)
        is_published.wait(5)
        followers = [
            pool.submit(flights.run, "k", lambda publish: 3, lambda told, least=least: told >= least)  # type: ignore[misc]
            for least in (1, 2, 3)
        ]
        assert followers[0].result(5) == 1
        time.sleep(0.05)
        assert not followers[1].done()
        may_end.set()
        assert [each.result(5) for each in (leader, *followers)] == [2, 1, 2, 3]
