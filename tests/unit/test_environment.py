"""The service's settings: what is read, and what stops the start."""

import pytest

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
