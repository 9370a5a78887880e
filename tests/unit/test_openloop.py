"""Requests at a fixed rate: a stall is counted by all whom it keeps waiting."""

import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tuning.bench import openloop
from tuning.bench.openloop import Stream
from tuning.stack.errors import StackError

STALL_S = 0.3
STALLED = 120  # behind the warm-up


@pytest.fixture
def url() -> Iterator[str]:
    """A server that answers 200, and 503 at /busy."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(503 if self.path == "/busy" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def ask(path: str = "/", stalled: int | None = None) -> openloop.Ask:
    def send(connection: http.client.HTTPConnection, number: int) -> int:
        if number == stalled:
            time.sleep(STALL_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return send


@pytest.mark.parametrize(("callers", "least", "most"), [(1, 12, 60), (5, 1, 10)])
def test_stall_is_counted_by_those_who_wait_for_it(url: str, callers: int, least: int, most: int) -> None:
    """The control is the second case: whoever has another caller does not wait."""
    heard = openloop.run(url, [Stream("reads", 100, callers, ask(stalled=STALLED))], seconds=1)["reads"]
    assert (len(heard.latencies_ms), heard.failed) == (100, 0)
    late = sum(latency > STALL_S * 1_000 / 2 for latency in heard.latencies_ms)
    assert least <= late <= most


def test_what_fails_is_counted(url: str) -> None:
    heard = openloop.run(url, [Stream("reads", 20, 2, ask("/busy"))], seconds=0.5)["reads"]
    assert heard.failed == len(heard.latencies_ms) == 10


def test_saturate_counts_answers_and_refuses_failures(url: str) -> None:
    assert openloop.saturate(url, ask(), callers=2, seconds=0.2) > 10
    with pytest.raises(StackError, match="requests failed"):
        openloop.saturate(url, ask("/busy"), callers=1, seconds=0.1)
