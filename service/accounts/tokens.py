"""Issue and verify access tokens: JWT, HS256, every claim required (RFC 8725, RFC 9068)."""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import jwt

from service.config.environment import environment

ALGORITHM = "HS256"
TOKEN_TYPE = "at+jwt"  # noqa: S105  # RFC 9068
ISSUER = AUDIENCE = "hotrow"
# A check costs a tenth of a reservation's whole request (docs/adr/0011); 10,000 tokens are 5 MB.
VERIFIED_TOKENS = 10_000
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "jti"]


class InvalidToken(Exception):
    """The token is malformed, forged, expired or meant for something else."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    text: str
    ttl_s: int


def issue(user_id: int) -> AccessToken:
    """Sign a token that lets its bearer act as the user until it expires."""
    env = environment()
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + timedelta(seconds=env.access_token_ttl_s),
    }
    text = jwt.encode(claims, env.jwt_key.get_secret_value(), algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE})
    return AccessToken(text=text, ttl_s=env.access_token_ttl_s)


def verify(text: str) -> int:
    """Return the id of the user that the token speaks for; costs no database query.

    Raises:
        InvalidToken: See the class; the message does not say which check failed.
    """
    user_id, expires_at = _verified(text)
    if expires_at <= time.time():
        raise InvalidToken
    return user_id


@lru_cache(VERIFIED_TOKENS)
def _verified(text: str) -> tuple[int, float]:
    """Check everything about a token; all but the time stays as it was found, so it is kept."""
    try:
        token = jwt.decode_complete(
            text,
            environment().jwt_key.get_secret_value(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": _REQUIRED, "strict_aud": True, "enforce_minimum_key_length": True},
        )
        if token["header"].get("typ") != TOKEN_TYPE:
            raise InvalidToken
        return int(token["payload"]["sub"]), float(token["payload"]["exp"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise InvalidToken from error
