"""PgBouncer's configuration, rendered for a version."""

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest

from tuning.stack.pgbouncer import TEMPLATE, render

AWK = TEMPLATE.with_name("render.awk")

VALUES = {
    "DATABASE": "hotrow",
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_PORT": "5432",
    "POOL_SIZE": "8",
    "LANE_POOL_SIZE": "2",
    "DIRECT_POOL_SIZE": "2",
    "LISTEN_HOST": "127.0.0.1",
    "LISTEN_PORT": "6432",
    "AUTH_FILE": "/x/userlist.txt",
    "ADMIN_USER": "hotrow_monitor",
    "AUTH_USER": "hotrow_pooler",
    "MAX_CLIENT_CONN": "1000",
}


def rendered(release: tuple[int, ...]) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(render(TEMPLATE.read_text(), release, VALUES))
    return parser


@pytest.mark.parametrize(
    ("release", "expected"), [((1, 18, 0), False), ((1, 20, 1), False), ((1, 21), True), ((1, 25, 2), True)]
)
def test_render_keeps_the_lines_that_the_version_knows(release: tuple[int, ...], expected: bool) -> None:
    assert rendered(release).has_option("pgbouncer", "max_prepared_statements") is expected


def test_configuration_is_safe() -> None:
    section = rendered((1, 18, 0))["pgbouncer"]
    assert section["auth_type"] == "scram-sha-256"
    assert section["pool_mode"] == "transaction"
    assert section["listen_addr"] == "127.0.0.1"
    assert int(section["query_wait_timeout"]) <= 5


def test_nobody_is_let_in_without_a_password() -> None:
    for release in ((1, 18, 0), (1, 25, 2)):
        section = rendered(release)["pgbouncer"]
        assert not {"trust", "any", "hba", "peer", "cert"} & set(section["auth_type"].split())
        assert section["auth_query"] == "SELECT name, secret FROM pooler.user_lookup($1)"
        for database in rendered(release)["databases"].values():
            # A user or password here would let anybody in as that user.
            assert not re.search(r"\b(user|password|auth_query)=", database)


def awk(release: str, template: Path, values: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    env = {"PATH": os.environ["PATH"], "RELEASE": release, **values}
    return subprocess.run(["awk", "-f", AWK, template], env=env, capture_output=True)


@pytest.mark.parametrize("release", ["1.9.0", "1.18.0", "1.19", "1.20.1", "1.21.0", "1.25.2", "2.0.0"])
def test_image_renders_the_same_bytes(tmp_path: Path, release: str) -> None:
    odd = {**VALUES, "AUTH_FILE": "/a b/\\1&$x/${POOL_SIZE}", "DATABASE": "café"}
    for values in (VALUES, odd):
        done = awk(release, TEMPLATE, values)
        parts = tuple(int(part) for part in release.split("."))
        assert done.stdout == render(TEMPLATE.read_text(), parts, values).encode()
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("x = ${NOTHING}", b"the value NOTHING is not set"),
        ("x = $1", b"line 1 has a $"),
        ("x = ${A", b"line 1 has a $"),
    ],
)
def test_both_refuse_what_they_cannot_fill(tmp_path: Path, line: str, says: bytes) -> None:
    template = tmp_path / "template"
    template.write_text(line + "\n")
    done = awk("1.25.2", template, VALUES)
    assert done.returncode == 1
    assert says in done.stderr
    with pytest.raises((KeyError, ValueError)):
        render(line, (1, 25, 2), VALUES)


def test_render_refuses_a_missing_value() -> None:
    with pytest.raises(KeyError):
        render(TEMPLATE.read_text(), (1, 18), {})
