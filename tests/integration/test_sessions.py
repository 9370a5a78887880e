"""Sessions: a refresh token is used once, a copy of it ends the session, and what is over is deleted."""

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import commands
from tests.integration.test_privileges import DENIED, as_role
from tuning.stack.stack import Stack

CALLERS = 20
GRACE_S = 10
OLD = "11 seconds"
FUNCTION = Path("sql/functions/refresh_session_v1.sql")


class User:
    """A buyer of a test's own, and the sessions in the database."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.name = f"buyer-{uuid.uuid4().hex[:12]}"
        (self.id,) = self.one(
            "INSERT INTO account_user (password, is_superuser, username, first_name, last_name, email, is_staff,"
            " is_active, date_joined) VALUES ('', false, %s, '', '', '', false, true, now()) RETURNING id",
            self.name,
        )

    def one(self, statement: str, *values: Any) -> Any:
        return self.connection.execute(statement, values).fetchone()  # type: ignore[arg-type]

    def living(self) -> int:
        return int(self.one("SELECT count(*) FROM account_session WHERE user_id = %s AND ends_at > now()", self.id)[0])

    def reasons(self) -> list[str]:
        rows = self.connection.execute(
            "SELECT ended_because FROM account_session WHERE user_id = %s AND ends_at <= now() ORDER BY id", [self.id]
        )
        return [row[0] for row in rows]

    def tokens(self) -> int:
        return int(
            self.one(
                "SELECT count(*) FROM account_refresh_token AS t JOIN account_session AS s ON s.id = t.session_id"
                " WHERE s.user_id = %s",
                self.id,
            )[0]
        )

    def shift(self, column: str, by: str) -> None:
        """Move a time of all the user's tokens or sessions into the past."""
        table = "account_session" if column == "ends_at" else "account_refresh_token"
        key = "id" if column == "ends_at" else "session_id"
        self.connection.execute(
            f"UPDATE {table} SET {column} = {column} - interval '{by}'"  # type: ignore[arg-type]
            f" WHERE {key} IN (SELECT id FROM account_session WHERE user_id = {self.id})"
        )


@pytest.fixture
def user(direct: psycopg.Connection) -> Iterator[User]:
    made = User(direct)
    yield made
    direct.execute("DELETE FROM account_refresh_token AS t USING account_session AS s WHERE t.session_id = s.id")
    direct.execute("DELETE FROM account_session")
    direct.execute("DELETE FROM account_user WHERE id = %s", [made.id])


@pytest.fixture
def sessions(django_service: None) -> Any:
    from service.accounts import sessions

    return sessions


def test_refresh_gives_the_next_token_and_keeps_the_user(sessions: Any, user: User) -> None:
    token = sessions.begin(user.id)
    seen = {token}
    for _ in range(3):
        found = sessions.refresh(token)
        assert found.user_id == user.id
        token = found.refresh_token
        seen.add(token)
    assert (len(seen), user.tokens(), user.living()) == (4, 4, 1)


def test_table_holds_no_token(sessions: Any, user: User) -> None:
    token = sessions.begin(user.id)
    (digest,) = user.one("SELECT digest FROM account_refresh_token ORDER BY id DESC LIMIT 1")
    assert len(digest) == 32
    assert token.encode() not in digest
    assert len(token) >= 43  # 256 bits


def test_used_token_ends_the_session_for_both_who_have_it(sessions: Any, user: User) -> None:
    stolen = sessions.begin(user.id)
    newest = sessions.refresh(sessions.refresh(stolen).refresh_token).refresh_token
    other = sessions.begin(user.id)
    user.shift("used_at", OLD)
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(stolen)
    assert user.reasons() == ["reuse"]
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(newest)
    # The control: another session of the same user lives on.
    assert sessions.refresh(other).user_id == user.id


def test_used_token_within_the_grace_is_refused_and_ends_nothing(sessions: Any, user: User) -> None:
    first = sessions.begin(user.id)
    following = sessions.refresh(first).refresh_token
    with pytest.raises(sessions.AlreadyRefreshed):
        sessions.refresh(first)
    assert sessions.refresh(following).user_id == user.id


@pytest.mark.parametrize("column", ["expires_at", "ends_at"])
def test_token_ends_with_its_time_and_with_its_session(sessions: Any, user: User, column: str) -> None:
    token = sessions.begin(user.id)
    user.shift(column, "13 days")
    token = sessions.refresh(token).refresh_token  # the control: a day is left
    user.shift(column, "91 days")
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(token)
    assert user.reasons() == ([] if column == "expires_at" else [""])


def test_no_token_outlives_its_session(sessions: Any, user: User) -> None:
    token = sessions.begin(user.id)
    user.shift("ends_at", "89 days")
    sessions.refresh(token)
    (is_so,) = user.one(
        "SELECT bool_and(t.expires_at <= s.ends_at) FROM account_refresh_token AS t"
        " JOIN account_session AS s ON s.id = t.session_id WHERE t.used_at IS NULL"
    )
    assert is_so


def test_inactive_user_is_refused(sessions: Any, user: User) -> None:
    token = sessions.begin(user.id)
    user.connection.execute("UPDATE account_user SET is_active = false WHERE id = %s", [user.id])
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(token)
    user.connection.execute("UPDATE account_user SET is_active = true WHERE id = %s", [user.id])
    assert sessions.refresh(token).user_id == user.id


@pytest.mark.parametrize("token", ["", "x", "\x00", "é" * 40, "' OR true --"])
def test_unknown_token_is_refused(sessions: Any, token: str) -> None:
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(token)
    assert sessions.end(token) == 0


def outcomes_of_parallel_calls(
    connect: Callable[[], psycopg.Connection], function: str, digest: bytes, grace_s: int = GRACE_S
) -> list[str]:
    """Call from 20 connections at once."""
    connections, found = [connect() for _ in range(CALLERS)], []
    barrier = threading.Barrier(CALLERS)

    def ask(connection: psycopg.Connection) -> None:
        barrier.wait()
        row = connection.execute(
            f"SELECT outcome FROM {function}(%s, sha256(%s), 3600, %s)",  # type: ignore[arg-type]
            [digest, uuid.uuid4().bytes, grace_s],
        ).fetchone()
        found.append(row[0] if row else "")

    threads = [threading.Thread(target=ask, args=[connection]) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


def test_of_20_parallel_refreshes_one_wins_and_the_session_lives(
    sessions: Any, user: User, connect: Callable[[], psycopg.Connection]
) -> None:
    digest = sessions._digest(sessions.begin(user.id))
    assert outcomes_of_parallel_calls(connect, "refresh_session_v1", digest) == (
        ["already_used"] * (CALLERS - 1) + ["refreshed"]
    )
    assert (user.tokens(), user.living()) == (2, 1)


def test_of_20_parallel_refreshes_without_grace_one_wins_and_the_session_ends(
    sessions: Any, user: User, connect: Callable[[], psycopg.Connection]
) -> None:
    digest = sessions._digest(sessions.begin(user.id))
    found = outcomes_of_parallel_calls(connect, "refresh_session_v1", digest, 0)
    assert found.count("refreshed") == 1
    assert "reused" in found
    assert (user.living(), user.reasons()) == (0, ["reuse"])


def test_refresh_that_looks_before_it_writes_lets_several_win(
    sessions: Any, user: User, connect: Callable[[], psycopg.Connection]
) -> None:
    """The control: without the condition in the UPDATE the same 20 calls are told from each other by nothing."""
    text = FUNCTION.read_text().replace("refresh_session_v1", "refresh_session_mutant")
    mutant = text.replace("AND t.used_at IS NULL", "AND (SELECT o.used_at IS NULL FROM account_refresh_token AS o"
                          " WHERE o.id = t.id) AND pg_sleep(0.2) IS NOT NULL")  # fmt: skip
    assert mutant != text
    user.connection.execute(mutant)  # type: ignore[arg-type]
    try:
        user.connection.execute("GRANT EXECUTE ON FUNCTION refresh_session_mutant TO PUBLIC")
        digest = sessions._digest(sessions.begin(user.id))
        assert outcomes_of_parallel_calls(connect, "refresh_session_mutant", digest).count("refreshed") > 1
    finally:
        user.connection.execute("DROP FUNCTION refresh_session_mutant")


def test_logout_ends_this_session_or_all(sessions: Any, user: User) -> None:
    first, second, third = (sessions.begin(user.id) for _ in range(3))
    newer = sessions.refresh(first).refresh_token
    assert sessions.end(first) == 1  # an old token of the session will do
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(newer)
    assert (sessions.end(newer), user.living()) == (0, 2)
    assert sessions.end(second, everywhere=True) == 2
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(third)
    assert user.reasons() == ["logout"] * 3


def test_new_password_ends_the_sessions_and_a_renewed_hash_does_not(
    sessions: Any, user: User, direct: psycopg.Connection
) -> None:
    from django.contrib.auth.hashers import get_hasher

    from service.accounts.hashing import authenticate
    from service.accounts.models import User as Account

    older = get_hasher("pbkdf2_sha256").encode("first-password", "salt", iterations=1)
    direct.execute("UPDATE account_user SET password = %s WHERE id = %s", [older, user.id])
    sessions.begin(user.id)
    assert authenticate(user.name, "first-password") is not None
    (renewed,) = user.one("SELECT password FROM account_user WHERE id = %s", user.id)
    assert renewed.startswith("argon2$argon2id$v=19$m=7168,t=5,p=1$")
    assert user.living() == 1
    direct.execute("GRANT UPDATE ON account_user TO hotrow_lab")
    try:
        account = Account.objects.get(pk=user.id)
        account.set_password("second-password")
        account.save()
    finally:
        direct.execute("SELECT grant_access_v1('hotrow_lab', 'lab')")
    assert (user.living(), user.reasons()) == (0, ["password"])


def test_purge_deletes_what_is_over_and_nothing_else(sessions: Any, user: User, stack: Stack) -> None:
    gone = sessions.begin(user.id)
    sessions.refresh(gone)
    user.shift("ends_at", "98 days")
    ended = sessions.begin(user.id)
    sessions.end(ended)
    living = sessions.begin(user.id)
    newer = sessions.refresh(living).refresh_token
    user.connection.execute(
        "UPDATE account_refresh_token SET expires_at = now() - interval '1 s' WHERE digest = %s",
        [sessions._digest(living)],
    )
    done = commands.run(stack, "sessions", "purge")
    assert (done.returncode, done.stdout) == (0, "Deleted 4 rows.\n")
    assert (user.tokens(), user.living(), user.reasons()) == (2, 1, ["logout"])
    assert sessions.refresh(newer).user_id == user.id


def test_operator_ends_all_sessions_of_a_user(sessions: Any, user: User, stack: Stack) -> None:
    sessions.begin(user.id)
    done = commands.run(stack, "sessions", "end", user.name)
    assert (done.returncode, done.stdout) == (0, f"Ended 1 sessions of {user.name}.\n")
    assert user.reasons() == ["operator"]
    done = commands.run(stack, "sessions", "end", "nobody-here")
    assert (done.returncode, "There is no user nobody-here" in done.stderr) == (1, True)


CALLS = {
    "open_session_v1": "open_session_v1(1, sha256(''), 1, 1)",
    "refresh_session_v1": "refresh_session_v1(sha256('a'), sha256('b'), 1, 1)",
    "end_session_v1": "end_session_v1(sha256(''), true)",
    "end_sessions_v1": "end_sessions_v1(1, 'operator')",
    "purge_sessions_v1": "purge_sessions_v1(1)",
}


@pytest.mark.parametrize("function", CALLS)
def test_functions_are_called_by_the_service_alone(stack: Stack, function: str) -> None:
    told = {kind: as_role(stack, kind, f"SELECT {CALLS[function]}") for kind in ("app", "admin", "lab", "readonly")}
    assert told == {"app": "done", "admin": "done", "lab": "done", "readonly": DENIED}


@pytest.mark.parametrize("table", ["account_session", "account_refresh_token"])
@pytest.mark.parametrize("kind", ["app", "admin", "lab", "readonly"])
def test_tables_are_touched_by_functions_alone(stack: Stack, kind: str, table: str) -> None:
    for statement in (
        f"SELECT * FROM {table}",
        f"INSERT INTO {table} DEFAULT VALUES",
        f"UPDATE {table} SET id = id",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        assert as_role(stack, kind, statement) == DENIED, statement


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("open_session_v1(1, 'short', 1, 1)", "a SHA-256 has 32"),
        ("open_session_v1(1, sha256(''), 0, 1)", "both must be positive"),
        ("refresh_session_v1(sha256(''), NULL, 1, 1)", "a SHA-256 has 32"),
        ("refresh_session_v1(sha256(''), sha256(''), 0, 1)", "must be positive"),
        ("purge_sessions_v1(0)", "1 to 10000 are allowed"),
        ("purge_sessions_v1(10001)", "1 to 10000 are allowed"),
    ],
)
def test_bad_argument_raises_hr001(direct: psycopg.Connection, call: str, says: str) -> None:
    with pytest.raises(psycopg.Error, match=says) as raised:
        direct.execute(f"SELECT {call}")  # type: ignore[arg-type]
    assert raised.value.sqlstate == "HR001"


def test_unknown_user_has_no_session(direct: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        direct.execute("SELECT open_session_v1(-1, sha256(''), 1, 1)")
