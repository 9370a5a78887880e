"""Tokens and login limits over HTTP: forged tokens, refresh, replay, logout, and 429 before any hash."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.client import Answer, Client
from tests.e2e.test_http import assert_problem
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

CALLERS = 20
REFRESH, REVOKE = "/api/auth/token/refresh", "/api/auth/token/revoke"
PASSWORD = "flash-sale"


def log_in(url: str, user: str) -> dict[str, Any]:
    with Client(url) as client:
        answer = client.log_in(user)
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def post(url: str, path: str, token: str, **more: Any) -> Answer:
    with Client(url) as client:
        return client.post(path, {"refresh_token": token, **more})


def test_login_gives_both_tokens_and_no_cache_keeps_them(stack: Stack) -> None:
    with Client(stack.url) as client:
        answer = client.log_in("user10")
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
    assert answer.json["refresh_expires_in"] == 14 * 86_400


def test_refresh_gives_new_tokens_that_work(stack: Stack) -> None:
    first = log_in(stack.url, "user10")
    answer = post(stack.url, REFRESH, first["refresh_token"])
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json["refresh_token"] != first["refresh_token"]
    with Client(stack.url) as client:
        client.token = answer.json["access_token"]
        assert client.get("/api/products?page_size=1").status == 200
        # Neither token stands in for the other.
        client.token = answer.json["refresh_token"]
        assert_problem(client.get("/api/products"), 401, "invalid_token")
    assert_problem(post(stack.url, REFRESH, answer.json["access_token"][:128]), 401, "invalid_refresh_token")


def test_replay_ends_the_session_for_both(stack: Stack) -> None:
    stolen = log_in(stack.url, "user11")["refresh_token"]
    newest = post(stack.url, REFRESH, stolen).json["refresh_token"]
    assert_problem(post(stack.url, REFRESH, stolen), 409, "already_refreshed")
    with psycopg.connect(stack.direct, autocommit=True) as owner:
        owner.execute("UPDATE account_refresh_token SET used_at = used_at - interval '11 s' WHERE used_at IS NOT NULL")
    assert_problem(post(stack.url, REFRESH, stolen), 401, "invalid_refresh_token")
    assert_problem(post(stack.url, REFRESH, newest), 401, "invalid_refresh_token")


def test_of_20_parallel_refreshes_one_is_answered_with_tokens(stack: Stack) -> None:
    token = log_in(stack.url, "user12")["refresh_token"]
    answers: list[Answer] = []
    barrier = threading.Barrier(CALLERS)

    def ask() -> None:
        barrier.wait()
        answers.append(post(stack.url, REFRESH, token))

    threads = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * (CALLERS - 1)
    (won,) = [answer.json["refresh_token"] for answer in answers if answer.status == 200]
    assert post(stack.url, REFRESH, won).status == 200


def test_logout_ends_the_session_and_its_access_token_lives_to_its_end(stack: Stack) -> None:
    given, other = log_in(stack.url, "user13"), log_in(stack.url, "user13")
    for _ in range(2):
        answer = post(stack.url, REVOKE, given["refresh_token"])
        assert (answer.status, answer.body) == (204, b"")
    assert_problem(post(stack.url, REFRESH, given["refresh_token"]), 401, "invalid_refresh_token")
    with Client(stack.url) as client:
        client.token = given["access_token"]
        assert client.get("/api/products?page_size=1").status == 200
    assert post(stack.url, REFRESH, other["refresh_token"]).status == 200


def test_logout_everywhere_ends_the_others(stack: Stack) -> None:
    given, other = log_in(stack.url, "user14"), log_in(stack.url, "user14")
    assert post(stack.url, REVOKE, given["refresh_token"], everywhere=True).status == 204
    assert_problem(post(stack.url, REFRESH, other["refresh_token"]), 401, "invalid_refresh_token")


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": 1}, {"refresh_token": "x" * 129}, []])
@pytest.mark.parametrize("path", [REFRESH, REVOKE])
def test_malformed_refresh_is_refused(stack: Stack, path: str, body: Any) -> None:
    with Client(stack.url) as client:
        assert_problem(client.post(path, body), 422, "invalid_request")


@pytest.fixture(scope="module")
def limited(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of two workers that allows 4 logins of an account and 6 of an address, behind a proxy: this test."""
    port = free_port()
    settings = {"LOGINS_PER_ACCOUNT": "4", "LOGINS_PER_ADDRESS": "6", "TRUSTED_PROXIES": HOST, "WORKERS": "2"}
    log: Path = tmp_path_factory.mktemp("limited") / "web.log"
    child = web.start(log, port, {**stack.service_env(), **settings})
    yield f"http://{HOST}:{port}"
    child.stop()
    assert "Traceback" not in log.read_text()


def attempt(url: str, user: str, password: str, address: str) -> Answer:
    with Client(url) as client:
        body = {"username": user, "password": password}
        return client.post("/api/auth/token", body, {"X-Forwarded-For": f"127.9.9.9, {address}"})


def test_account_is_limited_over_all_addresses_and_workers(limited: str) -> None:
    answers = [attempt(limited, "user20", "wrong", f"203.0.113.{number}") for number in range(12)]
    assert [answer.status for answer in answers] == [401] * 4 + [429] * 8
    refused = attempt(limited, "user20", PASSWORD, "203.0.113.50")
    assert_problem(refused, 429, "too_many_tries")
    assert 1 <= int(refused.headers["Retry-After"]) <= 300
    assert refused.headers["RateLimit-Policy"] == '"account";q=4;w=300'
    assert refused.headers["RateLimit"] == f'"account";r=0;t={refused.headers["Retry-After"]}'
    # The control: another account from the last address may log in.
    assert attempt(limited, "user21", PASSWORD, "203.0.113.50").status == 200


def test_address_is_limited_over_all_accounts_and_keeps_none_of_them_out(limited: str) -> None:
    statuses = [attempt(limited, f"user{30 + number}", "wrong", "198.51.100.9").status for number in range(9)]
    assert statuses == [401] * 6 + [429] * 3
    assert attempt(limited, "user38", PASSWORD, "198.51.100.10").status == 200


def test_success_begins_the_account_anew(limited: str) -> None:
    for number in range(6):
        assert attempt(limited, "user22", PASSWORD, f"192.0.2.{number}").status == 200
    assert attempt(limited, "user22", "wrong", "192.0.2.99").status == 401


def test_session_lives_on_while_its_account_is_limited(limited: str) -> None:
    """Whoever tries passwords of others locks out no one who is logged in."""
    token = attempt(limited, "user23", PASSWORD, "192.0.2.101").json["refresh_token"]
    for number in range(5):
        last = attempt(limited, "user23", "wrong", f"192.0.2.{110 + number}")
    assert last.status == 429
    assert post(limited, REFRESH, token).status == 200


def test_stack_for_loads_has_no_limit(stack: Stack) -> None:
    """The control of the limits above, and what 1,000 users from one address need."""
    for _ in range(10):
        with Client(stack.url) as client:
            assert client.log_in("user24", "wrong").status == 401
