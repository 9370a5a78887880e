"""``hotrow up`` where it cannot start: it says why and what to do, and leaves nothing behind."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Finished, Hotrow, Mounted, wait_until
from tuning.stack import binaries
from tuning.stack.accounts import Account, server_account

pytest_plugins = ["tests.e2e.instances"]

MIB = 1024 * 1024


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@contextlib.contextmanager
def running_as(account: Account, command: list[str], directory: Path, log: Path) -> Iterator[int]:
    """A foreign process of the servers' user; ended like a PostgreSQL server, with SIGQUIT if it must."""
    with log.open("wb") as output:
        foreign = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=account.uid if account.is_other else None,
            group=account.gid if account.is_other else None,
            cwd=directory,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
    try:
        yield foreign.pid
    finally:
        foreign.send_signal(signal.SIGQUIT)
        foreign.wait(20)


def assert_refused(hotrow: Hotrow, done: Finished, *words: str) -> None:
    assert done.code == 1
    assert "Traceback" not in done.err
    for each in words:
        assert each in done.err
    assert hotrow.running() == set()


@pytest.mark.parametrize("part", ["web", "primary"])
def test_up_names_the_port_that_is_taken(hotrow: Hotrow, listener: socket.socket, part: str) -> None:
    port = listener.getsockname()[1]
    done = hotrow.run("up", "--port", f"{part}={port}")
    assert_refused(hotrow, done, f"port {port} for {part} is taken", f"--port {part}=N")


def test_up_names_the_port_that_two_parts_were_given(hotrow: Hotrow, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    done = hotrow.run("up", "--port", f"web={port}", "--port", f"redis={port}")
    assert_refused(hotrow, done, f"port {port}", "web", "redis")


def test_status_says_why_up_failed(hotrow: Hotrow, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    hotrow.run("up", "--port", f"web={port}")
    code, status = hotrow.status()
    assert (code, status["state"]) == (1, "failed")
    assert f"port {port} for web is taken" in status["message"]


def test_up_takes_over_stale_pid_files(kept: Hotrow, tmp_path: Path) -> None:
    """As after a restart of the machine: one number is nobody's, the other a process of the same user has by now."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    with running_as(server_account(), ["sleep", "60"], Path("/"), tmp_path / "log") as stranger:
        for part, pid in {"primary": gone.pid, "replica": stranger}.items():
            data = kept.root / "data" / part
            (data / "postmaster.pid").write_text(f"{pid}\n{data}\n1700000000\n5432\n\n127.0.0.1\n")
            shutil.chown(data / "postmaster.pid", data.owner(), data.group())
        kept.up()
        os.kill(stranger, 0)
    assert [part["state"] for part in kept.record()["parts"]] == ["running"] * 5


def test_up_names_the_server_that_runs_on_the_data(kept: Hotrow, tmp_path: Path) -> None:
    account = server_account()
    postgres = binaries.postgres(None, account).program("postgres")
    data = kept.root / "data" / "primary"
    with running_as(account, [postgres, "-D", str(data)], Path("/"), tmp_path / "log") as pid:
        file = data / "postmaster.pid"
        wait_until(lambda: file.exists() and "\nready" in file.read_text(), what="the foreign server")
        done = kept.run("up")
        assert done.code == 1
        assert f"PostgreSQL server (pid {pid}) already runs on {data}" in done.err
        # Nothing of hotrow's is left, and the other server is untouched.
        assert {each.pid for each in kept.running() if f"-D {data}" in each.command} == {pid}
        os.kill(pid, 0)
    wait_until(lambda: not kept.running(), what="something besides the foreign server ran")


@pytest.mark.parametrize("part", ["primary", "replica"])
def test_up_names_both_versions_when_the_data_is_old(kept: Hotrow, part: str) -> None:
    version = binaries.postgres(None, server_account()).version
    marker = kept.root / "data" / part / "PG_VERSION"
    before = marker.read_text()
    marker.write_text("14\n")
    try:
        done = kept.run("up")
    finally:
        marker.write_text(before)
    assert_refused(kept, done, "was made by PostgreSQL 14", f"this is {version}", "--postgres-bin", "down --purge")


def test_up_names_the_directory_without_a_postgres(hotrow: Hotrow) -> None:
    done = hotrow.run("up", "--postgres-bin", "/nonexistent")
    assert_refused(hotrow, done, "/nonexistent holds no postgres")


def test_up_names_the_profiles_when_given_none_of_them(hotrow: Hotrow) -> None:
    assert_refused(hotrow, hotrow.run("up", "--profile", "nonesuch"), "'nonesuch'", "kit", "report")


@pytest.mark.parametrize("given", ["web", "web=0", "web=70000", "nonesuch=8000"])
def test_up_explains_a_port_that_is_none(hotrow: Hotrow, given: str) -> None:
    assert_refused(hotrow, hotrow.run("up", "--port", given), "--port", given.partition("=")[0])


def test_up_refuses_a_small_disk_before_anything_starts(
    make_hotrow: Callable[..., Hotrow], small_disk: Callable[[int], Mounted]
) -> None:
    hotrow = make_hotrow(state=small_disk(64).directory)
    done = hotrow.run("up")
    assert_refused(hotrow, done, "MiB free, and the stack needs", "HOTROW_STATE_DIR")
    assert not (hotrow.root / "data").exists()


@pytest.mark.parametrize(
    ("file", "spare_kib"),
    [("data/primary*/PG_VERSION", 1024), ("log/pgbouncer.log", 0)],
    ids=["initdb", "migrating"],
)
def test_up_says_so_when_the_disk_fills_up_on_the_way(
    make_hotrow: Callable[..., Hotrow], small_disk: Callable[[int], Mounted], file: str, spare_kib: int
) -> None:
    disk = small_disk(600)
    hotrow = make_hotrow(state=disk.directory)
    command = hotrow.start("up")
    wait_until(lambda: any(hotrow.root.glob(file)), what=file)
    disk.fill(spare_kib)
    assert_refused(hotrow, command.wait(), "No space left on device")


def test_up_works_on_the_data_after_the_disk_was_full(
    make_hotrow: Callable[..., Hotrow], small_disk: Callable[[int], Mounted]
) -> None:
    disk = small_disk(600)
    hotrow = make_hotrow(state=disk.directory)
    command = hotrow.start("up")
    wait_until(lambda: any(hotrow.root.glob("data/replica*/PG_VERSION")), what="the copy")
    disk.fill(1024)
    assert_refused(hotrow, command.wait(), "copying the primary", "No space left on device")
    disk.resize(700)
    hotrow.up()


def test_down_ends_everything_when_the_disk_is_full(
    make_hotrow: Callable[..., Hotrow], small_disk: Callable[[int], Mounted], template: Hotrow
) -> None:
    disk = small_disk(800)
    hotrow = make_hotrow(state=disk.directory)
    subprocess.run(["cp", "-a", template.root, hotrow.root], check=True)
    hotrow.up()
    disk.fill()
    assert hotrow.run("down").code == 0
    assert hotrow.running() == set()


def test_up_says_so_when_the_state_directory_is_a_file(make_hotrow: Callable[..., Hotrow], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    hotrow = make_hotrow(state=tmp_path / "state")
    assert_refused(hotrow, hotrow.run("up"), "cannot be used", "HOTROW_STATE_DIR")
