"""Sessions: a login, and the refresh tokens that keep it going, each of which can be used once.

A refresh token is 256 random bits, and the table holds its SHA-256: who reads the table has no token,
and chance needs no slow hash. All rules are in the SQL functions that are called here.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass

from django.db import connection

from service.config.environment import environment

logger = logging.getLogger(__name__)

TOKEN_BYTES = 32
PURGE_BATCH = 1_000


class InvalidRefreshToken(Exception):
    """The token is unknown or used, or its session is over: log in again."""


class AlreadyRefreshed(Exception):
    """The token was used a moment ago, so its answer is on its way to the same client."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    user_id: int
    refresh_token: str


def begin(user_id: int) -> str:
    """Open a session of a user who has proved the password; return its first refresh token."""
    env = environment()
    token = _new()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT open_session_v1(%s, %s, %s, %s)",
            [user_id, _digest(token), env.refresh_token_ttl_s, env.session_ttl_s],
        )
    return token


def refresh(token: str) -> Refreshed:
    """Use a refresh token up and return the next.

    Raises:
        AlreadyRefreshed: It was used within the grace; the session lives on.
        InvalidRefreshToken: It is not good for another reason; used before the grace, it ended the session.
    """
    env, following = environment(), _new()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome, user_id, session_id FROM refresh_session_v1(%s, %s, %s, %s)",
            [_digest(token), _digest(following), env.refresh_token_ttl_s, env.refresh_grace_s],
        )
        outcome, user_id, session_id = cursor.fetchone()
    match outcome:
        case "refreshed":
            return Refreshed(user_id, following)
        case "already_used":
            raise AlreadyRefreshed
        case "reused":
            logger.warning("a used refresh token came again: session %d of user %d has ended", session_id, user_id)
    raise InvalidRefreshToken


def end(token: str, *, everywhere: bool = False) -> int:
    """Log out of the session of this token, or of all of its user; return how many sessions ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT end_session_v1(%s, %s)", [_digest(token), everywhere])
        return int(cursor.fetchone()[0])


def end_all(user_id: int, because: str) -> int:
    """End all sessions of a user; return how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT end_sessions_v1(%s, %s)", [user_id, because])
        return int(cursor.fetchone()[0])


def purge() -> int:
    """Delete what has expired, a batch in each transaction; return how many rows."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT purge_sessions_v1(%s)", [PURGE_BATCH])
            count = int(cursor.fetchone()[0])
        deleted += count
        if count < PURGE_BATCH:
            return deleted


def _new() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
