"""PgBouncer's configuration, rendered for a version."""

import configparser

import pytest

from tuning.stack.pgbouncer import TEMPLATE, render

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


def test_render_refuses_a_missing_value() -> None:
    with pytest.raises(KeyError):
        render(TEMPLATE.read_text(), (1, 18), {})
