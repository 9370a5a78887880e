"""A client that always has a next request keeps no other client of the worker waiting."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service.front.turns import TURNS
from tuning.stack.ports import HOST, free_port

REQUESTS = 5_000
STEPS, CLIENTS, EACH = 10, 100, 50
START_S = 30.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
# /steps waits for its own bytes ten times, as a request does for a database, and tells how many began meanwhile.
APPLICATION = """
import socket
from gevent.socket import wait_read

served = 0

def application(environ, start):
    global served
    served += 1
    first = 0
    if environ["PATH_INFO"] == "/steps":
        first = served
        near, far = socket.socketpair()
        for _ in range(10):
            near.send(b"x")
            wait_read(far.fileno())
            far.recv(1)
    body = b"%09d" % (served - first)
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ENVIRONMENT = {
    "HOTROW_SECRET_KEY": "x",
    "HOTROW_JWT_KEYS": "k:" + "x" * 32,
    "HOTROW_DATABASE_URL": "dbname=x",
    "HOTROW_MAX_IN_FLIGHT": "0",
    "PATH": os.environ["PATH"],
}


@contextmanager
def served(folder: Path, turns: str) -> Iterator[int]:
    """One worker that counts its requests; ``turns`` changes how many it serves of one client in a row."""
    (folder / "counting.py").write_text(APPLICATION)
    (folder / "conf.py").write_text(
        f"def post_fork(server, worker):\n    from service.front import gevent_worker\n{turns}"
    )
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "service.front.gevent_worker.GeventWorker", "-w", "1"]
    command += ["-b", f"{HOST}:{port}", "-c", str(folder / "conf.py"), "--pythonpath", str(folder)]
    child = subprocess.Popen([*command, "counting:application"], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while not answers(port):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        child.terminate()
        child.wait(30)


def answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), 1) as client:
            return len(asked(client)) > 0
    except OSError:
        return False


def asked(client: socket.socket, path: bytes = b"/") -> bytes:
    """The answer to one request; it ends with a number."""
    client.sendall(GET.replace(b"/", path, 1))
    data = b""
    while not data[-9:].isdigit():
        data += client.recv(4096)
    return data


@pytest.mark.parametrize(
    ("turns", "is_held_back"),
    [("    pass\n", False), ("    gevent_worker.GeventWorker.each_turn = 10**9\n", True)],
    ids=["in-turns", "the-control"],
)
def test_step_of_a_request_is_not_held_back_by_those_that_begin(tmp_path: Path, turns: str, is_held_back: bool) -> None:
    with served(tmp_path, turns) as port, ExitStack() as opened:
        clients = [opened.enter_context(socket.create_connection((HOST, port), 60)) for _ in range(CLIENTS + 1)]
        for each in clients:
            asked(each)
        for each in clients[1:]:
            each.sendall(GET * EACH)
        begun = int(asked(clients[0], b"/steps")[-9:])
    assert (begun > 3 * STEPS * TURNS) == is_held_back, begun
    assert begun > STEPS, "nobody else asked, so that nothing was shown"


@pytest.mark.parametrize(
    ("turns", "is_heard"),
    [("    pass\n", True), ("    gevent_worker.GeventWorker.each_turn = 10**9\n", False)],
    ids=["in-turns", "the-control"],
)
def test_client_with_a_next_request_keeps_nobody_waiting(tmp_path: Path, turns: str, is_heard: bool) -> None:
    with (
        served(tmp_path, turns) as port,
        socket.create_connection((HOST, port), 60) as greedy,
        socket.create_connection((HOST, port), 60) as patient,
    ):
        asked(patient)
        first = asked(greedy)
        begun = threading.Event()

        def read() -> None:
            left = REQUESTS * len(first)
            while left > 0:
                left -= len(greedy.recv(1 << 20))
                begun.set()

        reader = threading.Thread(target=read)
        reader.start()
        writer = threading.Thread(target=greedy.sendall, args=[GET * REQUESTS])
        writer.start()
        assert begun.wait(60)
        number = int(asked(patient)[-9:]) - int(first[-9:])
        writer.join()
        reader.join()
        assert (number < REQUESTS / 2) == is_heard, number
