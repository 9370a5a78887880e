"""Issue and verify access tokens: JWT, HS256, every claim required (RFC 8725, RFC 9068).

The algorithm is this module's and the key is the one that ``kid`` names in the ring, so a token has
no say in how it is checked. A token ends with its life: no list of revoked ones is asked (ADR 22).
"""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache

import jwt

from service.config import keyring
from service.config.environment import environment

ALGORITHM = "HS256"
TOKEN_TYPE = "at+jwt"  # noqa: S105  # RFC 9068
ISSUER = AUDIENCE = "hotrow"
# A check costs a tenth of a reservation's whole request (docs/adr/0011); 10,000 tokens are 5 MB.
VERIFIED_TOKENS = 10_000
# The clock of the host that issued a token may be ahead of this one's; RFC 8725bis allows "small".
LEEWAY_S = 5
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
    kid, secret = next(iter(_ring().items()))
    text = jwt.encode(claims, secret, algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": kid})
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
        header = jwt.get_unverified_header(text)
        secret = _ring().get(header.get("kid", ""))
        if secret is None or header.get("typ") != TOKEN_TYPE:
            raise InvalidToken
        token = jwt.decode_complete(
            text,
            secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_S,
            options={"require": _REQUIRED, "strict_aud": True, "enforce_minimum_key_length": True},
        )
        return int(token["payload"]["sub"]), float(token["payload"]["exp"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise InvalidToken from error


@cache
def _ring() -> dict[str, str]:
    """The keys by their names; the first signs."""
    return {key.kid: key.secret for key in keyring.parse(environment().jwt_keys.get_secret_value())}
