"""The images' start scripts and ``make secrets``: what they make, and the one line of a start that cannot be."""

import configparser
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.test_pgbouncer import VALUES
from tuning.failover.facts import Address
from tuning.failover.pooler import repointed
from tuning.stack.pgbouncer import TEMPLATE, render

ROOT = Path(__file__).parents[2]
SECRETS = {"pooler_password": 'a"b', "monitor_password": "monitor"}


# Runs until it is asked to end; one that fails does so once the others can be asked.
PEER = """
import pathlib, signal, sys, time
if pathlib.Path("fails").exists():
    while not all(pathlib.Path(f"../peer{number}/ready").exists() for number in (2, 3)):
        time.sleep(0.01)
    sys.exit(7)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
pathlib.Path("ready").touch()
signal.sigwait({signal.SIGINT})
pathlib.Path("asked").touch()
"""


def make_secrets(directory: Path) -> subprocess.CompletedProcess[str]:
    # Under `make test` it would tell of its folder too.
    command = ["make", "--no-print-directory", "secrets", f"SECRETS={directory}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


def start_pgbouncer(
    directory: Path, version: str = "1.25.2", without: str = "", program: str = "", **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run the image's entrypoint with a pgbouncer that tells its version, and shows the configuration it is given."""
    secrets, programs = directory / "secrets", directory / "bin"
    for each in (secrets, programs):
        each.mkdir(exist_ok=True)
    for name, text in SECRETS.items():
        (secrets / name).write_text(text + "\n")
    file = programs / "pgbouncer"
    file.write_text(program or f'#!/bin/sh\n[ "$1" = --version ] && echo "PgBouncer {version}" || cat "$1"\n')
    file.chmod(0o755)
    values = {**VALUES, "HOTROW_SECRETS": str(secrets), "HOTROW_RUN": str(directory), **changes}
    values.pop(without, None)
    if without in SECRETS:
        (secrets / without).unlink()
    env = {"PATH": f"{programs}:{os.environ['PATH']}", **values}
    return subprocess.run(
        ["sh", ROOT / "pgbouncer/entrypoint.sh"], env=env, capture_output=True, text=True, cwd=directory
    )


@pytest.mark.parametrize("version", ["1.25.2", "1.26.0", "1.100.0"])
def test_pgbouncer_starts_on_what_the_template_says(tmp_path: Path, version: str) -> None:
    done = start_pgbouncer(tmp_path, version)
    assert (done.returncode, done.stderr) == (0, "")
    values = VALUES | {"AUTH_FILE": str(tmp_path / "userlist.txt")}
    assert done.stdout == render(TEMPLATE.read_text(), tuple(int(part) for part in version.split(".")), values)
    users = tmp_path / "userlist.txt"
    assert users.read_text() == '"hotrow_pooler" "a""b"\n"hotrow_monitor" "monitor"\n'
    assert stat.S_IMODE(users.stat().st_mode) == 0o600


def test_pgbouncer_goes_where_a_failover_led_it(tmp_path: Path) -> None:
    start_pgbouncer(tmp_path)
    file = tmp_path / "pgbouncer.ini"
    text = file.read_text()
    led = repointed(text, ["hotrow", "hotrow_lane", "hotrow_direct"], Address("replica", "5433"))
    assert led != text
    file.write_text(led)
    again = start_pgbouncer(tmp_path, POOL_SIZE="9")
    assert "PgBouncer goes to replica:5433, where a failover led it" in again.stderr
    # What else the environment says is followed.
    assert again.stdout == re.sub(rf"\b((default_)?pool_size ?= ?){VALUES['POOL_SIZE']}\b", r"\g<1>9", led)
    file.unlink()
    fresh = start_pgbouncer(tmp_path)
    assert (fresh.stdout, fresh.stderr) == (text, "")


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"version": "1.18.0"}, "PgBouncer cannot start: it is 1.18.0, and 1.25.2 or newer is needed"),
        ({"version": "1.9.0", "PGBOUNCER_MIN_VERSION": "1.18.0"}, "it is 1.9.0, and 1.18.0 or newer is needed"),
        (
            {"version": "1.18.0", "PGBOUNCER_MIN_VERSION": "1.18.0", "PGBOUNCER_PROCESSES": "2"},
            "it is 1.18.0, and PGBOUNCER_PROCESSES=2 needs 1.19 or newer: set it to 1",
        ),
        ({"PGBOUNCER_PROCESSES": "two"}, "PGBOUNCER_PROCESSES is two: say a whole number, 1 or more"),
        ({"PGBOUNCER_PROCESSES": "0"}, "PGBOUNCER_PROCESSES is 0: say a whole number, 1 or more"),
        ({"without": "pooler_password"}, r"secrets/pooler_password is missing or empty: run make secrets"),
        ({"without": "monitor_password"}, r"secrets/monitor_password is missing or empty: run make secrets"),
        ({"without": "POOL_SIZE"}, r"pgbouncer.ini.template: the value POOL_SIZE is not set"),
    ],
)
def test_pgbouncer_says_in_one_line_why_it_cannot_start(tmp_path: Path, case: dict[str, str], says: str) -> None:
    done = start_pgbouncer(tmp_path, **case)
    assert done.returncode != 0
    assert re.search(says, done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def peers(directory: Path, version: str = "1.25.2") -> str:
    """A pgbouncer of which several run."""
    program = directory / "program.py"
    program.write_text(PEER)
    return f'#!/bin/sh\n[ "$1" = --version ] && echo "PgBouncer {version}" || exec {sys.executable} {program}\n'


def asked(directory: Path) -> list[bool]:
    return [(directory / f"peer{number}/asked").exists() for number in (1, 2, 3)]


def test_processes_share_a_configuration_and_end_together(tmp_path: Path) -> None:
    program = peers(tmp_path, "1.19.0")
    # One ends by itself, with a code that is told; the others run until they are asked to end.
    (tmp_path / "peer1").mkdir()
    (tmp_path / "peer1/fails").touch()
    done = start_pgbouncer(tmp_path, program=program, PGBOUNCER_MIN_VERSION="1.19.0", PGBOUNCER_PROCESSES="3")
    assert done.returncode == 7, done.stderr
    assert asked(tmp_path) == [False, True, True]
    values = VALUES | {"AUTH_FILE": str(tmp_path / "userlist.txt")}
    one = render(TEMPLATE.read_text(), (1, 19, 0), values)
    assert (tmp_path / "pgbouncer.ini").read_text() == one + "%include peer.ini\n"
    for number in (1, 2, 3):
        # PgBouncer puts the file where the line is, at the end of its own section.
        whole = configparser.ConfigParser(interpolation=None)
        text = one + (tmp_path / f"peer{number}/peer.ini").read_text()
        whole.read_string(text.replace("unix_socket_dir =\n", "", 1))
        assert whole["pgbouncer"]["so_reuseport"] == "1"
        assert whole["pgbouncer"]["peer_id"] == str(number)
        assert whole["pgbouncer"]["unix_socket_dir"] == f"{tmp_path}/peer{number}"
        assert whole["pgbouncer"]["listen_port"] == VALUES["LISTEN_PORT"]
        assert dict(whole["peers"]) == {
            str(it): f"host={tmp_path}/peer{it} port={VALUES['LISTEN_PORT']}" for it in (1, 2, 3)
        }


def test_signal_ends_every_process(tmp_path: Path) -> None:
    program = tmp_path / "pgbouncer"
    program.write_text(peers(tmp_path))
    program.chmod(0o755)
    directories = [tmp_path / f"peer{number}" for number in (1, 2, 3)]
    for each in directories:
        each.mkdir()
    command = ["bash", str(ROOT / "pgbouncer/peers.sh"), "x.ini", *map(str, directories)]
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(command, env=env) as running:
        deadline = time.monotonic() + 60
        while not all((each / "ready").exists() for each in directories) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert asked(tmp_path) == [False, False, False]
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 128 + signal.SIGINT
    assert asked(tmp_path) == [True, True, True]


@pytest.mark.parametrize(
    ("arguments", "secret", "says"),
    [
        (["primary"], "", r"/migrator_password is missing or empty: run make secrets, and mount it"),
        (["replica"], "app_password", r"/replicator_password is missing or empty: run make secrets, and mount it"),
        ([], "app_password", r"say primary or replica"),
    ],
)
def test_postgres_says_in_one_line_why_it_cannot_start(
    tmp_path: Path, arguments: list[str], secret: str, says: str
) -> None:
    if secret:
        (tmp_path / secret).write_text("x\n")
    env = {"PATH": os.environ["PATH"], "HOTROW_SECRETS": str(tmp_path), "PGDATA": str(tmp_path / "data")}
    done = subprocess.run(["sh", ROOT / "postgres/start.sh", *arguments], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(rf"PostgreSQL cannot start: .*{says}\n", done.stderr)


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    first = make_secrets(directory)
    made = {path.name: path.read_text() for path in directory.iterdir()}
    assert len(first.stdout.splitlines()) == len(made)
    # Others cannot enter; who is given one file by its mount, as the images' users are, can read it.
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o444}
    assert all(re.fullmatch(r"(k1:)?[\w-]{64}\n", text) for text in made.values())
    assert len(set(made.values())) == len(made)
    (directory / "redis_password").unlink()
    second = make_secrets(directory)
    assert second.stdout == f"Made {directory}/redis_password\n"
    again = {path.name: path.read_text() for path in directory.iterdir()}
    assert {name for name in made if made[name] != again[name]} == {"redis_password"}


def test_every_secret_of_the_deployment_is_made_and_none_is_tracked(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    section = (ROOT / "docker-compose.yml").read_text().partition("\nsecrets:\n")[2]
    assert set(re.findall(r"\{file: secrets/(\w+)\}", section)) == {path.name for path in tmp_path.iterdir()}
    ignored = subprocess.run(["git", "check-ignore", "secrets/app_password", ".env"], cwd=ROOT, capture_output=True)
    assert ignored.returncode == 0
    assert subprocess.run(["git", "check-ignore", ".env.example"], cwd=ROOT, capture_output=True).returncode == 1
