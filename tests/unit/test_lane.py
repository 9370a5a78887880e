"""The lane's coalescing, with a database that answers when the test lets it."""

import random
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from service.front import deadline
from service.stock.errors import Busy
from service.stock.lane import Lane, _Ticket
from service.stock.strategies import Outcome, Request, Result


def request(key: str = "", user_id: int = 1) -> Request:
    return Request(order_id=uuid.uuid4(), user_id=user_id, key=key or uuid.uuid4().hex, quantities={1: 1}, ttl_s=60)


class Database:
    """Answers each batch with its requests' own order ids, once the test opens the gate."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.batches: list[list[Request]] = []
        self.gate = threading.Semaphore(1_000_000 if is_open else 0)

    def __call__(self, batch: Sequence[Request]) -> list[Result]:
        self.batches.append(list(batch))
        assert self.gate.acquire(timeout=10)
        return [Result(Outcome.RESERVED, order_id=each.order_id) for each in batch]

    def wait_for(self, batches: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.batches) < batches:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def submit(threads: ThreadPoolExecutor, lane: Lane, requests: list[Request]) -> list[Future[Result]]:
    """Let each request wait in a thread of its own, in this order."""
    futures = []
    for each in requests:
        before = len(lane._waiting)
        futures.append(threads.submit(lane.reserve, each))
        deadline = time.monotonic() + 10
        while len(lane._waiting) == before and time.monotonic() < deadline and not futures[-1].done():
            time.sleep(0.001)
    return futures


@pytest.fixture
def threads() -> ThreadPoolExecutor:
    with ThreadPoolExecutor(64) as pool:
        yield pool  # type: ignore[misc]


def test_idle_lane_sends_at_once_and_alone() -> None:
    database = Database(is_open=True)
    lane = Lane(database)
    asked = [request() for _ in range(3)]
    assert [lane.reserve(each).order_id for each in asked] == [each.order_id for each in asked]
    assert [len(batch) for batch in database.batches] == [1, 1, 1]


def test_requests_that_arrive_meanwhile_form_the_next_batch(threads: ThreadPoolExecutor) -> None:
    database = Database()
    lane = Lane(database, in_flight=1)
    first = threads.submit(lane.reserve, request())
    database.wait_for(1)
    rest = [request() for _ in range(5)]
    futures = submit(threads, lane, rest)
    database.gate.release(2)
    assert first.result(10).outcome is Outcome.RESERVED
    assert [future.result(10).order_id for future in futures] == [each.order_id for each in rest]
    assert [len(batch) for batch in database.batches] == [1, 5]


def test_a_key_that_comes_twice_goes_in_two_batches(threads: ThreadPoolExecutor) -> None:
    database = Database()
    lane = Lane(database, in_flight=1)
    first = threads.submit(lane.reserve, request())
    database.wait_for(1)
    futures = submit(threads, lane, [request("same"), request("same"), request("same", user_id=2), request("other")])
    database.gate.release(10)
    for future in [first, *futures]:
        future.result(10)
    assert [sorted((each.user_id, each.key) for each in batch) for batch in database.batches[1:]] == [
        [(1, "other"), (1, "same"), (2, "same")],
        [(1, "same")],
    ]


def test_full_lane_refuses_at_once(threads: ThreadPoolExecutor) -> None:
    database = Database()
    lane = Lane(database, in_flight=1, waiting=2)
    first = threads.submit(lane.reserve, request())
    database.wait_for(1)
    futures = submit(threads, lane, [request(), request()])
    with pytest.raises(Busy, match="Too many"):
        lane.reserve(request())
    database.gate.release(10)
    assert {future.result(10).outcome for future in [first, *futures]} == {Outcome.RESERVED}


def test_request_that_waits_too_long_is_not_sent(threads: ThreadPoolExecutor) -> None:
    database = Database()
    lane = Lane(database, in_flight=1, patience_s=0.05)
    first = threads.submit(lane.reserve, request())
    database.wait_for(1)
    with pytest.raises(Busy, match="too long"):
        lane.reserve(request())
    database.gate.release(10)
    assert first.result(10).outcome is Outcome.RESERVED
    assert lane.reserve(request()).outcome is Outcome.RESERVED
    assert [len(batch) for batch in database.batches] == [1, 1]


@pytest.mark.parametrize(("allowed_s", "batches"), [(0.1, [1]), (30.0, [1, 1])])
def test_request_whose_deadline_passes_in_the_queue_is_not_sent(
    threads: ThreadPoolExecutor, allowed_s: float, batches: list[int]
) -> None:
    """The control is a deadline that does not pass."""
    database = Database()
    lane = Lane(database, in_flight=1)
    first = threads.submit(lane.reserve, request())
    database.wait_for(1)

    def hurried() -> Result:
        deadline.begin({}, time.monotonic(), allowed_s, is_proxy_trusted=False)
        return lane.reserve(request())

    second = threads.submit(hurried)
    time.sleep(0.3)
    database.gate.release(10)
    assert first.result(10).outcome is Outcome.RESERVED
    assert isinstance(second.exception(10), deadline.DeadlinePassed) is (len(batches) == 1)
    assert [len(batch) for batch in database.batches] == batches
    assert (lane._free, len(lane._waiting)) == (1, 0)


def test_leader_of_a_batch_leaves_out_who_is_too_late(threads: ThreadPoolExecutor) -> None:
    """A ticket whose thread has not noticed yet that its time is over."""
    database = Database(is_open=True)
    lane = Lane(database, in_flight=1)
    late = _Ticket(request(), time.monotonic() - 1)
    lane._waiting.append(late)
    assert lane.reserve(request()).outcome is Outcome.RESERVED
    assert [len(batch) for batch in database.batches] == [1]
    assert isinstance(late.error, deadline.DeadlinePassed)


def test_failed_batch_fails_nobody_else(threads: ThreadPoolExecutor) -> None:
    database = Database()

    def send(batch: Sequence[Request]) -> list[Result]:
        results = database(batch)
        if any(each.key == "bad" for each in batch):
            raise RuntimeError("lost")
        return results

    lane = Lane(send, in_flight=1, batch_size=2)
    first = threads.submit(lane.reserve, request())
    database.wait_for(1)
    futures = submit(threads, lane, [request(), request("bad"), request(), request()])
    database.gate.release(10)
    assert first.result(10).outcome is Outcome.RESERVED
    told = [future.exception(10) is None for future in futures]
    assert told == [False, False, True, True]


def test_every_request_is_answered_once_with_its_own_answer(threads: ThreadPoolExecutor) -> None:
    """Many callers, batches of random length in time, some failing: nobody waits for ever, no lead is lost."""
    chance = random.Random(7)
    sent: list[Request] = []

    def send(batch: Sequence[Request]) -> list[Result]:
        sent.extend(batch)
        time.sleep(chance.random() * 0.002)
        if chance.random() < 0.05:
            raise RuntimeError("lost")
        return [Result(Outcome.RESERVED, order_id=each.order_id) for each in batch]

    lane = Lane(send, in_flight=2, batch_size=7)

    def buy(_: int) -> bool:
        for _ in range(40):
            each = request()
            try:
                assert lane.reserve(each).order_id == each.order_id
            except RuntimeError:
                continue
        return True

    assert all(threads.map(buy, range(40), timeout=60))
    assert len(sent) == len({each.order_id for each in sent}) == 1_600
    assert (lane._free, len(lane._waiting)) == (2, 0)
