"""Open arrivals: when requests are due, and that a server that stands still is seen by them alone."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tuning.lab import results
from tuning.lab.results import LoadResult
from tuning.load.schedule import Schedule

STALL_S = 2.0
SERVER = textwrap.dedent("""
    import json
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for an answer: two would wait for a delayed ACK

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b'{"access_token": "t"}'
            self.send_response(201 if self.path == "/api/reservations" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
""")


def test_requests_are_due_at_the_rate_whoever_takes_them() -> None:
    schedule = Schedule(10.0, phase=0.5)
    schedule.begin(100.0)
    schedule.begin(900.0)
    assert [schedule.take() for _ in range(3)] == pytest.approx([100.05, 100.15, 100.25])
    assert schedule.unsent(100.0) == 0
    assert schedule.unsent(100.26) == 0
    assert schedule.unsent(100.46) == 2


def test_nobody_takes_a_request_before_the_beginning() -> None:
    schedule, taken = Schedule(10.0), list[float]()
    thread = threading.Thread(target=lambda: taken.append(schedule.take()))
    thread.start()
    assert schedule.unsent(1e9) == 0
    assert taken == []
    schedule.begin(5.0)
    thread.join(10)
    assert taken == [5.0]


def load(directory: Path, *options: str, users: int) -> LoadResult:
    """Load a small server that stands still for a while in the middle."""
    directory.mkdir()
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            host = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            command = [sys.executable, "-m", "locust", "-f", "tuning/load/locustfile.py", "--host", host, "--headless"]
            command += ["--skip-log", "--only-summary", "--scenario", f"x_{users}_{users}", "--timings", str(directory)]
            command += ["--run-time", "6s", "--stop-timeout", "10", *options]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as locust:
                _await_requests(directory, locust)
                os.kill(server.pid, signal.SIGSTOP)
                time.sleep(STALL_S)  # the length of the stall, not a wait for something
                os.kill(server.pid, signal.SIGCONT)
                assert locust.wait(60) == 0
        finally:
            server.kill()
    return results.read(directory, "x")


def _await_requests(directory: Path, locust: "subprocess.Popen[bytes]") -> None:
    """Return when requests other than logins are under way."""
    while True:
        assert locust.poll() is None, "the load ended before the server was stopped"
        progress = [json.loads(path.read_text()) for path in directory.glob("progress-*.json")]
        if any(each["requests"] > 2 * each["users"] > 0 for each in progress):
            return
        time.sleep(0.02)


def test_a_stall_is_seen_by_open_arrivals_and_hidden_by_closed_users(tmp_path: Path) -> None:
    opened = load(tmp_path / "open", "--rate", "50", users=4)
    closed = load(tmp_path / "closed", users=4)
    # A third of what was due came in the stall; four of some hundred answers to closed users did.
    assert opened.total.p99_ms > 1_000 * STALL_S / 2
    assert opened.total.p95_ms > 1_000 * STALL_S / 4
    assert closed.total.max_ms > 1_000 * STALL_S / 2
    assert closed.total.p99_ms < 1_000 * STALL_S / 4
    assert sum(row[2] for row in opened.series) == opened.total.count
    assert max(row[1] for row in opened.series) == 4


def test_several_processes_are_summed_up(tmp_path: Path) -> None:
    from tuning.stack.ports import free_port

    port = str(free_port())
    options = ("--processes", "2", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port)
    found = load(tmp_path / "two", *options, users=4)
    assert len(list((tmp_path / "two").glob("run-*.json"))) == 2
    assert max(row[1] for row in found.series) == 4
    rows = [line for path in (tmp_path / "two").glob("requests-*.csv") for line in path.read_text().splitlines()]
    assert found.total.count == len(rows) > 0
