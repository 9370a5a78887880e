"""The front door: who is let in, how long a request may take, and what a refusal looks like."""

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any

import pytest

from service.front import deadline, refusals, requests
from service.front.counts import counts
from service.front.door import Door, parked
from service.front.joined import Joined
from service.front.limit import INTERVAL_S, LEAST, TARGET_S, Limit

POST = b"POST /api/reservations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
GET = b"GET /api/products HTTP/1.1\r\nHost: x\r\n\r\n"


class Call:
    """What the door did with one request: its status, its headers, and the time that was left inside."""

    def __init__(self, door: Door, application: "Application", path: str = "/api/products", **headers: str) -> None:
        environ = {"PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1"}
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        self.status, self.headers = "", dict[str, str]()
        application.left_s = None
        self.body = b"".join(door(environ, self._start))
        self.left_s = application.left_s

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status[:3], dict(headers)


class Application:
    left_s: float | None = None

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        self.left_s = deadline.left_s()
        start("200 OK", [])
        return [b""]


@pytest.fixture(autouse=True)
def no_deadline_left() -> Iterator[None]:
    """The door leaves the deadline to the next request; here the next may be another test."""
    yield
    deadline.end()


@pytest.fixture
def application() -> Application:
    return Application()


def door(application: Application, most: int = 0, deadline_s: float = 10, trusted: str = "") -> Door:
    return Door(application, limit=Limit(most), deadline_s=deadline_s, trusted_proxies=trusted)


@pytest.fixture
def two_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "inside", 2)


@pytest.mark.usefixtures("two_inside")
@pytest.mark.parametrize(("most", "status"), [(2, "503"), (3, "200"), (0, "200")])
def test_door_refuses_when_as_many_are_inside_as_may_be(application: Application, most: int, status: str) -> None:
    before = counts.shed
    call = Call(door(application, most), application)
    assert call.status == status
    assert counts.shed - before == (status == "503")
    assert counts.inside == 2


@pytest.mark.usefixtures("two_inside")
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probe_is_never_refused(application: Application, path: str) -> None:
    assert Call(door(application, 2), application, path).status == "200"


def test_request_that_fails_leaves_the_worker() -> None:
    def fails(environ: dict[str, Any], start: Any) -> list[bytes]:
        assert counts.inside == 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Call(Door(fails, limit=Limit(1), deadline_s=1, trusted_proxies=""), Application())
    assert counts.inside == 0


def test_refusal_is_a_problem_document_and_its_clients_come_back_apart(application: Application) -> None:
    raw = [refusals.OVERLOAD.written(closes=False) for _ in range(3)]
    assert {line for each in raw for line in each.split(b"\r\n") if line.startswith(b"Retry-After")} == {
        b"Retry-After: 1",
        b"Retry-After: 2",
        b"Retry-After: 3",
    }
    for each in raw:
        head, _, body = each.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert (json.loads(body)["code"], json.loads(body)["status"]) == ("overload", 503)
        assert b"Connection" not in head
    assert b"\r\nConnection: close\r\n" in refusals.OVERLOAD.written(closes=True)


def test_deadline_is_the_shortest_of_what_is_said(application: Application) -> None:
    asked = {
        10.0: {},
        2.5: {"request_timeout": "2.5"},
        # A client may not have more than there is, and nonsense is nothing.
        9.99: {"request_timeout": "60"},
        9.98: {"request_timeout": "soon"},
        9.97: {"request_timeout": "-1"},
        9.96: {"request_timeout": "nan"},
    }
    for left_s, headers in asked.items():
        assert Call(door(application), application, **headers).left_s == pytest.approx(left_s, abs=0.2)
    assert Call(door(application, deadline_s=0), application).left_s == deadline.NEVER


@pytest.mark.parametrize(
    ("trusted", "ago_s", "status"),
    [("127.0.0.1", 11, "503"), ("127.0.0.1", 4, "200"), ("", 11, "200"), ("10.0.0.0/8", 11, "200")],
)
def test_trusted_proxy_may_say_when_the_request_came(
    application: Application, trusted: str, ago_s: float, status: str
) -> None:
    call = Call(door(application, trusted=trusted), application, x_request_start=f"t={time.time() - ago_s:.3f}")
    assert call.status == status
    if status == "503":
        assert json.loads(call.body)["code"] == "deadline_exceeded"
        assert call.left_s is None
    elif trusted == "127.0.0.1":
        assert call.left_s == pytest.approx(6, abs=0.5)


def test_time_of_a_proxy_that_counts_in_milliseconds_is_no_time(application: Application) -> None:
    start = f"{time.time() * 1000:.0f}"
    assert Call(door(application, trusted="127.0.0.1"), application, x_request_start=start).left_s > 9


def test_nothing_begins_after_the_deadline(application: Application) -> None:
    deadline.begin({}, time.monotonic() - 2, 1, is_proxy_trusted=False)
    with pytest.raises(deadline.DeadlinePassed):
        deadline.check()
    deadline.begin({}, time.monotonic(), 1, is_proxy_trusted=False)
    deadline.check()


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (GET, 0),
        (POST, 0),
        (POST.replace(b"Content-Length", b"content-length"), 0),
        (POST[:-1], 1),
        (POST[:-2], 2),
        # A head that is not complete, a second request behind the first, and bodies that are told of in other ways.
        (GET[:-2], None),
        (GET + GET, None),
        (POST + GET, None),
        (POST.replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"), None),
        (POST.replace(b"Content-Length: 2", b"Content-Length: 2, 2"), None),
        (POST.replace(b"Content-Length: 2", b"Content-Length : 2"), None),
        (GET.replace(b"Host: x", b"Transfer-Encoding: chunked"), None),
        (POST.replace(b"Host: x", b"Expect: 100-continue"), None),
        (b"", None),
    ],
)
def test_end_of_a_request_is_known_or_said_not_to_be(data: bytes, missing: int | None) -> None:
    assert requests.missing(data) == missing


@pytest.mark.parametrize(
    ("line", "is_probe"),
    [
        (b"GET /healthz HTTP/1.1", True),
        (b"HEAD /readyz HTTP/1.1", True),
        (b"GET /metrics?x=1 HTTP/1.1", True),
        (b"GET /healthzz HTTP/1.1", False),
        (b"POST /healthz HTTP/1.1", False),
        (b"GET /api?/healthz HTTP/1.1", False),
    ],
)
def test_probe_is_told_by_its_first_bytes(line: bytes, is_probe: bool) -> None:
    assert requests.is_probe(line) is is_probe


@pytest.mark.parametrize(
    ("data", "is_last"),
    [
        (GET, False),
        (GET.replace(b"HTTP/1.1", b"HTTP/1.0"), True),
        (GET.replace(b"Host: x", b"Host: x\r\nconnection: Close"), True),
        (GET.replace(b"Host: x", b"Connection: keep-alive"), False),
        (GET.replace(b"Host: x", b"X: HTTP/1.0"), False),
    ],
)
def test_client_that_waits_for_the_end_of_its_connection_is_known(data: bytes, is_last: bool) -> None:
    assert requests.is_last(data) is is_last


@pytest.mark.parametrize("is_parked", [True, False])
def test_request_that_is_parked_keeps_nobody_out(application: Application, is_parked: bool) -> None:
    limit = Limit(1)
    took: list[float] = []
    limit.ended = lambda took_s, now_s: took.append(took_s)  # type: ignore[method-assign]
    others: list[str] = []

    def waits(environ: dict[str, Any], start: Any) -> list[bytes]:
        with parked() if is_parked else nullcontext():
            # As another greenlet of the worker would come, whose context is its own.
            other = Door(application, limit=limit, deadline_s=1, trusted_proxies="")
            others.append(copy_context().run(lambda: Call(other, application).status))
            time.sleep(0.05)
        assert counts.inside == 1
        start("200 OK", [])
        return [b""]

    waiting = Door(waits, limit=limit, deadline_s=1, trusted_proxies="")
    assert Call(waiting, application).status == "200"
    assert others == ["200" if is_parked else "503"]
    assert (took[-1] < 0.05) == is_parked
    assert counts.inside == 0


def test_whoever_did_not_come_through_the_door_is_not_parked() -> None:
    with parked():
        assert counts.inside == 0


def test_limit_follows_what_requests_take() -> None:
    limit, now = Limit(32), time.monotonic()

    def interval(took_s: float) -> int:
        nonlocal now
        for _ in range(10):
            now += INTERVAL_S / 5
            limit.ended(took_s, now)
        return limit.now

    assert interval(TARGET_S / 2) == 32
    slower = [interval(TARGET_S * 1.5) for _ in range(3)]
    assert 32 > slower[0] > slower[1] > slower[2] >= LEAST
    assert [interval(TARGET_S * 50) for _ in range(5)][-1] == LEAST
    assert [interval(TARGET_S / 2) for _ in range(10)][-1] == 32


def test_limit_of_none_stays_none() -> None:
    limit = Limit(0)
    limit.ended(60, time.monotonic() + 60)
    assert limit.now == 0
    assert not limit.is_full()


class Client:
    """A socket that takes so many bytes at a time and notes what was sent at once."""

    def __init__(self, takes: int = 1_000) -> None:
        self.sent: list[bytes] = []
        self._takes = takes

    def send(self, data: bytes) -> int:
        self.sent.append(data[: self._takes])
        return len(self.sent[-1])

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)

    def shutdown(self) -> None:
        self.sent.append(b"shutdown")


def test_head_of_an_answer_goes_with_its_body() -> None:
    client = Client()
    joined = Joined(client)
    joined.sendall(b"head")
    assert not client.sent
    joined.sendall(b"body")
    joined.sendall(b"more")
    joined.flush()
    assert client.sent == [b"headbody", b"more"]


def test_head_without_a_body_goes_before_whatever_else_is_done_with_the_socket() -> None:
    client = Client()
    Joined(client).flush()
    assert not client.sent
    joined = Joined(client)
    joined.sendall(b"head")
    joined.shutdown()
    joined.flush()
    assert client.sent == [b"head", b"shutdown"]


def test_what_the_kernel_did_not_take_at_once_is_sent_too() -> None:
    client = Client(takes=6)
    joined = Joined(client)
    joined.sendall(b"head")
    joined.sendall(b"body")
    assert client.sent == [b"headbo", b"dy"]
