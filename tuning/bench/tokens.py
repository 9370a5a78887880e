"""Access tokens as the service issues them (JWT, HS256), signed with the stack's own key.

A login of each buyer would be measured with Argon2id's cost, which has a benchmark of its own: the demo's.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid

TTL_S = 3_600


def first_key(ring: str) -> tuple[str, str]:
    """The name and the key that sign, of the service's ``kid:key,kid:key``."""
    kid, _, key = ring.split(",", maxsplit=1)[0].partition(":")
    return kid, key


def issue(user_id: int, kid: str, key: str) -> str:
    """A token for one user, good for an hour."""
    now = int(time.time())
    claims = {
        "iss": "hotrow",
        "aud": "hotrow",
        "sub": str(user_id),
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + TTL_S,
    }
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': kid})}.{_encoded(claims)}"
    return f"{signed}.{_base64(hmac.digest(key.encode(), signed.encode(), hashlib.sha256))}"


def _encoded(part: dict[str, object]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
