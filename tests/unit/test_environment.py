"""The service's settings: what is read, and what stops the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from service.config.environment import environment

GOOD = {
    "HOTROW_SECRET_KEY": "s",
    "HOTROW_JWT_KEYS": "new:" + "k" * 32,
    "HOTROW_DATABASE_URL": "postgresql://u:p@127.0.0.1/d",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("HOTROW_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def read() -> object:
    return environment.__wrapped__()


def test_environment_reads_good_settings() -> None:
    assert read()


@pytest.mark.parametrize("name", sorted(GOOD))
def test_environment_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SystemExit, match=f"{name}: Field required"):
        read()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"HOTROW_JWT_KEYS": "new:" + "k" * 31}, "HOTROW_JWT_KEYS: .*key new has fewer than 32 bytes"),
        ({"HOTROW_JWT_KEYS": "k" * 40}, "HOTROW_JWT_KEYS: entry 1 is not written as kid:key"),
        ({"HOTROW_JWT_KEYS": f"../a:{'k' * 32}"}, "entry 1 is not written as kid:key"),
        ({"HOTROW_JWT_KEYS": f"a:{'k' * 32},a:{'j' * 32}"}, "two keys are named a"),
        ({"HOTROW_JWT_KEYS": f"a:{'k' * 32},"}, "entry 2 is not written as kid:key"),
        ({"HOTROW_DATABASE_URL": "127.0.0.1"}, "HOTROW_DATABASE_URL: write postgresql://"),
        ({"HOTROW_DEBUG": "true", "HOTROW_BIND": "0.0.0.0:8000"}, "HOTROW_DEBUG=true shows settings"),
        ({"HOTROW_DEBUG": "true", "HOTROW_BIND": ":8000"}, "HOTROW_DEBUG=true shows settings"),
        ({"HOTROW_DEBUG": "true", "HOTROW_BIND": "[::]:8000"}, "HOTROW_DEBUG=true shows settings"),
        ({"HOTROW_DEBUG": "true", "HOTROW_BIND": "shop.example:80"}, "HOTROW_DEBUG=true shows settings"),
        (
            {"HOTROW_QUERIES": "n_plus_one", "HOTROW_BIND": "0.0.0.0:8000"},
            "HOTROW_QUERIES=n_plus_one is slow on purpose",
        ),
        ({"HOTROW_ALLOWED_HOSTS": " , "}, "HOTROW_ALLOWED_HOSTS is empty"),
        (
            {"HOTROW_POOL_SIZE": "20", "HOTROW_WORKERS": "5", "HOTROW_PGBOUNCER_MAX_CLIENTS": "104"},
            "5 workers may open 105 connections, and PgBouncer takes 104",
        ),
        (
            {"HOTROW_STRATEGY": "function", "HOTROW_WORKERS": "5", "HOTROW_PGBOUNCER_MAX_CLIENTS": "49"},
            "5 workers may open 50 connections",
        ),
        ({"HOTROW_REFRESH_TOKEN_TTL_S": "900"}, "must be longer than HOTROW_ACCESS_TOKEN_TTL_S"),
        ({"HOTROW_SESSION_TTL_S": "86400"}, "HOTROW_SESSION_TTL_S is shorter"),
        ({"HOTROW_PAYMENT_WINDOW_S": "900"}, "must be longer than HOTROW_RESERVATION_TTL_S"),
        ({"HOTROW_TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, "HOTROW_TRUSTED_PROXIES: proxy is neither an address"),
        ({"HOTROW_TRUSTED_PROXIES": "10.0.0.1/8"}, "HOTROW_TRUSTED_PROXIES: 10.0.0.1/8 is neither"),
        ({"HOTROW_METRICS_BIND": "9180x"}, "HOTROW_METRICS_BIND is no address and port"),
        ({"HOTROW_METRICS_BIND": "unix:/run/metrics"}, "HOTROW_METRICS_BIND is no address and port"),
        ({"HOTROW_METRICS_BIND": "10.0.0.1:8000"}, "HOTROW_METRICS_BIND has the port of HOTROW_BIND"),
        ({"HOTROW_CAPTURE_SHARE": "0"}, "HOTROW_CAPTURE_SHARE: Input should be greater than 0"),
        ({"HOTROW_ACCESS_LOG_PER_S": "-1"}, "HOTROW_ACCESS_LOG_PER_S: Input should be greater"),
        ({"HOTROW_CONNECTION_MODE": "persistent"}, "persistent leaks connections under gevent"),
        ({"HOTROW_CACHE": "redis"}, "needs HOTROW_REDIS_URL"),
        ({"HOTROW_STRATEGY": "hopeful"}, "HOTROW_STRATEGY: Input should be"),
        ({"HOTROW_POOL_SIZE": "0"}, "HOTROW_POOL_SIZE: Input should be greater"),
        ({"HOTROW_WORKERS": "many"}, "HOTROW_WORKERS: Input should be a valid integer"),
    ],
)
def test_environment_refuses(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], says: str) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=says):
        read()


@pytest.mark.parametrize(
    "changes",
    [
        {"HOTROW_JWT_KEYS": f"new:{'k' * 32}, old:{'j' * 32}"},
        {"HOTROW_CONNECTION_MODE": "persistent", "HOTROW_WORKER_CLASS": "gthread"},
        {"HOTROW_CACHE": "redis", "HOTROW_REDIS_URL": "redis://127.0.0.1"},
        {"HOTROW_DATABASE_URL": "host=127.0.0.1 dbname=d"},
        {"HOTROW_DEBUG": "true", "HOTROW_BIND": "[::1]:8000"},
        {"HOTROW_DEBUG": "true", "HOTROW_BIND": "unix:/run/hotrow"},
        {"HOTROW_BIND": "0.0.0.0:8000"},
        {"HOTROW_QUERIES": "n_plus_one"},
        {"HOTROW_POOL_SIZE": "20", "HOTROW_WORKERS": "5", "HOTROW_PGBOUNCER_MAX_CLIENTS": "105"},
        {"HOTROW_STRATEGY": "function", "HOTROW_WORKERS": "5", "HOTROW_PGBOUNCER_MAX_CLIENTS": "50"},
        {"HOTROW_REFRESH_TOKEN_TTL_S": "901"},
        {"HOTROW_PAYMENT_WINDOW_S": "901"},
        {"HOTROW_TRUSTED_PROXIES": "10.0.0.0/8, ::1,unix"},
        {"HOTROW_LOGINS_PER_ADDRESS": "0"},
        {"HOTROW_METRICS_BIND": "10.0.0.1:8001"},
        {"HOTROW_METRICS_BIND": "[::1]:9180", "HOTROW_BIND": "unix:/run/hotrow"},
        {"HOTROW_ACCESS_LOG_PER_S": "0", "HOTROW_CAPTURE_SHARE": "1"},
    ],
)
def test_environment_takes_what_stands_beside_a_refusal(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    """The controls: each is next to a value that is refused above."""
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert read()


@pytest.mark.parametrize("name", [*sorted(GOOD), "HOTROW_REDIS_URL"])
def test_secret_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    secret = GOOD.get(name, "redis://127.0.0.1")
    (tmp_path / "secret").write_text(secret + "\n")
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(name + "_FILE", str(tmp_path / "secret"))
    found = getattr(read(), name.removeprefix("HOTROW_").lower())
    assert found.get_secret_value() == secret


@pytest.mark.parametrize(
    ("text", "is_set", "says"),
    [
        ("s", True, "HOTROW_SECRET_KEY and HOTROW_SECRET_KEY_FILE are both set: remove one"),
        (None, False, "HOTROW_SECRET_KEY_FILE: .* cannot be read .No such file"),
        ("\n", False, "HOTROW_SECRET_KEY_FILE: .* is empty"),
    ],
)
def test_bad_secret_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, is_set: bool, says: str
) -> None:
    if text is not None:
        (tmp_path / "secret").write_text(text)
    if not is_set:
        monkeypatch.delenv("HOTROW_SECRET_KEY")
    monkeypatch.setenv("HOTROW_SECRET_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(SystemExit, match=says):
        read()


def test_refusal_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTROW_JWT_KEYS", "new:very-secret")
    with pytest.raises(SystemExit) as refused:
        read()
    assert "very-secret" not in str(refused.value)


def test_environment_does_not_show_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTROW_SECRET_KEY", "very-secret")
    assert "very-secret" not in repr(read())


@pytest.mark.parametrize(
    ("mode", "worker_class", "max_age", "has_pool"),
    [("pool", "gevent", 0, True), ("persistent", "gthread", 600, False), ("per_request", "sync", 0, False)],
)
def test_mode_decides_age_and_pool(
    monkeypatch: pytest.MonkeyPatch, mode: str, worker_class: str, max_age: int, has_pool: bool
) -> None:
    from service.db.databases import databases

    monkeypatch.setenv("HOTROW_CONNECTION_MODE", mode)
    monkeypatch.setenv("HOTROW_WORKER_CLASS", worker_class)
    entry = databases(read())["default"]  # type: ignore[arg-type]
    assert (entry["CONN_MAX_AGE"], "pool" in entry["OPTIONS"]) == (max_age, has_pool)
    assert entry["DISABLE_SERVER_SIDE_CURSORS"]
    assert (entry["NAME"], entry["USER"], entry["HOST"]) == ("d", "u", "127.0.0.1")


@pytest.mark.parametrize(("mode", "worker_class"), [("pool", "gevent"), ("persistent", "gthread")])
def test_replica_is_an_alias_that_nobody_waits_for_long(
    monkeypatch: pytest.MonkeyPatch, mode: str, worker_class: str
) -> None:
    from service.db.databases import databases
    from service.db.router import Router

    monkeypatch.setenv("HOTROW_CONNECTION_MODE", mode)
    monkeypatch.setenv("HOTROW_WORKER_CLASS", worker_class)
    assert set(databases(read())) == {"default", "lane"}  # type: ignore[arg-type]
    monkeypatch.setenv("HOTROW_REPLICA_URL", "postgresql://u@127.0.0.2/d")
    found = databases(read())  # type: ignore[arg-type]
    assert found["replica"]["HOST"] == "127.0.0.2"
    assert found["replica"]["OPTIONS"]["connect_timeout"] < found["default"]["OPTIONS"]["connect_timeout"]
    if mode == "pool":
        timeouts = [found[alias]["OPTIONS"]["pool"]["timeout"] for alias in ("replica", "default")]
        assert timeouts == [0.5, 2.0]
    assert [Router().allow_migrate(alias, "stock") for alias in found] == [None, False, False]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"HOTROW_CONNECTION_MODE": "per_request"}, "need HOTROW_BROKER_URL"),
        ({"HOTROW_BROKER_URL": "redis://127.0.0.1:1/1"}, "set HOTROW_CONNECTION_MODE=persistent"),
    ],
)
def test_worker_refuses_settings_that_it_cannot_work_with(settings: dict[str, str], says: str) -> None:
    env = {"PATH": os.environ["PATH"], **GOOD, **settings}
    command = [sys.executable, "-c", "import service.config.worker"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        (
            "postgresql://app@db:6432/shop?sslmode=require",
            "postgresql://app:a%40%2F%3A%27@db:6432/shop?sslmode=require",
        ),
        ("host=db user=app", "host=db user=app password='a@/:\\''"),
    ],
)
def test_password_of_its_own_goes_into_the_addresses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, whole: str
) -> None:
    file = tmp_path / "password"
    file.write_text("a@/:'\n")
    for name, value in {
        "DATABASE_URL": address,
        "LANE_DATABASE_URL": address,
        "DATABASE_PASSWORD_FILE": str(file),
    }.items():
        monkeypatch.setenv(f"HOTROW_{name}", value)
    monkeypatch.setenv("HOTROW_REDIS_URL", "redis://cache:6379/0")
    monkeypatch.setenv("HOTROW_REDIS_PASSWORD", "r")
    env = environment.__wrapped__()
    assert env.database_url.get_secret_value() == whole
    assert env.lane_database_url.get_secret_value() == whole
    assert env.redis_url.get_secret_value() == "redis://:r@cache:6379/0"
    assert conninfo_to_dict(whole)["password"] == "a@/:'"


@pytest.mark.parametrize("address", ["postgresql://u:p@127.0.0.1/d", "postgresql://u@h/d?password=p", "password = p"])
def test_password_that_is_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HOTROW_DATABASE_URL", address)
    assert read()
    monkeypatch.setenv("HOTROW_DATABASE_PASSWORD", "other")
    with pytest.raises(
        SystemExit, match="HOTROW_DATABASE_URL: it holds a password already, and one is given beside it"
    ):
        read()
