"""``hotrow up``, ``status`` and ``down`` when nothing goes wrong."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.e2e.processes import Finished, Hotrow, alive, descendants, wait_until
from tuning.stack.ports import free_port

pytest_plugins = ["tests.e2e.instances"]
PARTS = ["primary", "replica", "pgbouncer", "redis", "web"]
READY_WITHIN_S = 15


class Ready:
    """A stack that was started from nothing; tests read it and leave it as it is."""

    def __init__(self, hotrow: Hotrow) -> None:
        self.hotrow = hotrow
        self.web_port = free_port()
        self.started: Finished = hotrow.up("--port", f"web={self.web_port}")
        self.status_code, self.status = hotrow.status()

    def part(self, name: str) -> dict[str, Any]:
        return next(part for part in self.status["parts"] if part["name"] == name)


@pytest.fixture(scope="module")
def ready(make_session_hotrow: Callable[..., Hotrow]) -> Ready:
    return Ready(make_session_hotrow())


def test_up_is_ready_in_time_from_nothing(ready: Ready) -> None:
    assert ready.started.seconds <= READY_WITHIN_S


def test_status_exits_0_when_ready(ready: Ready) -> None:
    assert (ready.status_code, ready.status["state"]) == (0, "ready")


def test_status_lists_every_part_as_running_when_ready(ready: Ready) -> None:
    assert [(part["name"], part["state"]) for part in ready.status["parts"]] == [(name, "running") for name in PARTS]


@pytest.mark.parametrize("part", PARTS)
def test_status_tells_address_and_version_of_each_part(ready: Ready, part: str) -> None:
    found = ready.part(part)
    assert urlsplit(found["address"]).hostname == "127.0.0.1"
    assert found["version"].split()[-1][0].isdigit()


@pytest.mark.parametrize(
    ("part", "is_replica", "role"),
    [("primary", False, "hotrow_owner"), ("pgbouncer", False, "hotrow_app"), ("replica", True, "hotrow_readonly")],
)
def test_address_reaches_postgres_without_a_password_asked(
    ready: Ready, part: str, is_replica: bool, role: str
) -> None:
    with psycopg.connect(ready.part(part)["address"], prepare_threshold=None) as connection:
        row = connection.execute("SELECT pg_is_in_recovery(), current_user").fetchone()
    assert row == (is_replica, role)


def test_address_of_pgbouncer_is_pgbouncer_itself(ready: Ready) -> None:
    monitor = ready.part("pgbouncer")["address"].replace("hotrow_app@", "hotrow_monitor@")
    with psycopg.connect(monitor, dbname="pgbouncer", autocommit=True, prepare_threshold=None) as connection:
        version = connection.execute("SHOW VERSION").fetchone()
    assert version is not None
    assert ready.part("pgbouncer")["version"] in version[0]


def test_replica_shows_what_the_primary_wrote(ready: Ready) -> None:
    with psycopg.connect(ready.part("primary")["address"]) as primary:
        count = primary.execute("SELECT count(*) FROM product").fetchone()
    with psycopg.connect(ready.part("replica")["address"]) as replica:
        assert replica.execute("SELECT count(*) FROM product").fetchone() == count


def test_redis_answers_its_password_alone(ready: Ready) -> None:
    address = urlsplit(ready.part("redis")["address"])
    password = json.loads((ready.hotrow.root / "secrets.json").read_text())["redis"]
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(64).startswith(b"-NOAUTH")
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += connection.recv(64)
    assert answer == b"+OK\r\n+PONG\r\n"


def test_web_listens_on_the_port_that_was_asked_for(ready: Ready) -> None:
    assert ready.part("web")["address"] == f"http://127.0.0.1:{ready.web_port}"


def test_web_is_ready_with_database_and_cache(ready: Ready) -> None:
    address = urlsplit(ready.part("web")["address"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        told = json.loads(answer.read())
        assert (answer.status, told["database"], told["cache"]) == (200, "ok", "ok")
        assert told["pool"]["requests_waiting"] == 0
    finally:
        connection.close()


def test_up_is_refused_while_running(ready: Ready) -> None:
    done = ready.hotrow.run("up")
    assert done.code == 1
    assert f"instance {ready.hotrow.instance} is running already" in done.err
    assert ready.hotrow.status() == (0, ready.status)


def test_root_starts_the_servers_as_another_user(ready: Ready) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to drop to another user")
    owners = {part: Path(f"/proc/{ready.hotrow.pid(part)}").stat().st_uid for part in PARTS if part != "web"}
    assert 0 not in owners.values()


def test_stack_goes_on_when_a_worker_of_the_service_was_killed(ready: Ready) -> None:
    """gunicorn starts another worker: no part has ended."""
    master = ready.hotrow.pid("web")
    before = descendants(master)
    os.kill(min(before).pid, signal.SIGKILL)
    wait_until(lambda: len(descendants(master) - before) == 1, 20, "no other worker came")
    assert ready.hotrow.status() == (0, ready.status)


def test_running_finds_every_process_of_a_running_stack(ready: Ready) -> None:
    """The control of all tests that find nothing left: here the same search finds everything."""
    everything = descendants(ready.status["pid"])
    found = ready.hotrow.running()
    assert everything <= found
    assert {ready.status["pid"], *(part["pid"] for part in ready.status["parts"])} <= {each.pid for each in found}
    commands = [each.command for each in found]
    assert sum("postgres: " in command for command in commands) >= 8
    assert sum("gunicorn" in command for command in commands) >= 2


class Ended:
    """A stack that was started on the data of an earlier time and ended; tests read what was seen on the way."""

    def __init__(self, hotrow: Hotrow, stranger: subprocess.Popen[bytes]) -> None:
        hotrow.up()
        record = hotrow.record()
        self.rows = {part: self._row(hotrow.address(part)) for part in ("primary", "replica", "pgbouncer")}
        self.parts = {part["pid"] for part in record["parts"]}
        self.started = descendants(record["pid"])
        self.done = hotrow.run("down")
        self.left = [each for each in {*alive(self.started), *hotrow.running()} if each.pid != stranger.pid]
        self.is_stranger_spared = stranger.poll() is None
        self.status_code, self.status = hotrow.status()

    @staticmethod
    def _row(address: str) -> tuple[int] | None:
        with psycopg.connect(address, prepare_threshold=None) as connection:
            return connection.execute("SELECT answer FROM kept").fetchone()


@pytest.fixture(scope="module")
def ended(make_session_hotrow: Callable[..., Hotrow], template: Hotrow) -> Iterator[Ended]:
    hotrow = make_session_hotrow()
    subprocess.run(["cp", "-a", template.root, hotrow.root], check=True)
    shell = subprocess.Popen(["sleep", "300"], cwd=hotrow.root / "data" / "primary")
    try:
        yield Ended(hotrow, shell)
    finally:
        shell.kill()
        shell.wait()


def test_up_finds_the_rows_of_the_last_time(ended: Ended) -> None:
    assert ended.rows == {"primary": (42,), "replica": (42,), "pgbouncer": (42,)}


def test_down_leaves_nothing_running(ended: Ended) -> None:
    assert ended.done.code == 0
    assert ended.parts <= {each.pid for each in ended.started}
    assert ended.left == []


def test_status_exits_1_after_down(ended: Ended) -> None:
    assert (ended.status_code, ended.status["state"]) == (1, "stopped")
    assert {part["state"] for part in ended.status["parts"]} == {"ended"}


def test_down_spares_a_stranger_in_the_data_directory(ended: Ended) -> None:
    """A shell that stands in the data directory is no server: down neither ends it nor waits for it."""
    assert ended.is_stranger_spared
    assert ended.done.seconds < 10


def test_down_is_harmless_when_nothing_runs(hotrow: Hotrow) -> None:
    done = hotrow.run("down")
    assert (done.code, done.out) == (0, f"Instance {hotrow.instance} is not running.\n")
    assert hotrow.status()[0] == 1


def test_down_purge_removes_one_instance_and_leaves_another_alone(ready: Ready, copied: Hotrow) -> None:
    assert copied.run("down", "--purge").code == 0
    assert not copied.root.exists()
    assert ready.hotrow.status() == (0, ready.status)
