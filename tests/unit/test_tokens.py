"""Access tokens: only those that the ring signed, with every claim, for what they are meant for."""

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest

from service.accounts import tokens
from service.config.environment import Environment

NEW, OLD = "n" * 64, "o" * 64
BOTH = f"new:{NEW},old:{OLD}"
CLAIMS = ("exp", "iat", "iss", "aud", "sub", "jti")
Use = Callable[[str], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Start anew with a ring of keys, as a process does."""

    def start(ring: str) -> None:
        given: dict[str, Any] = {"secret_key": "s", "jwt_keys": ring, "database_url": "dbname=d"}
        env = Environment(_env_file=None, **given)
        monkeypatch.setattr(tokens, "environment", lambda: env)
        tokens._ring.cache_clear()
        tokens._verified.cache_clear()

    yield start
    tokens._ring.cache_clear()
    tokens._verified.cache_clear()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {"iss": "hotrow", "aud": "hotrow", "sub": "7", "jti": uuid.uuid4().hex, "iat": now, "exp": now + 60}
    return found | changes


def sign(payload: dict[str, Any], key: str = NEW, algorithm: str = "HS256", **headers: Any) -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers={"typ": "at+jwt", "kid": "new", **headers})


def unsigned(name: str) -> str:
    parts = ({"alg": name, "typ": "at+jwt", "kid": "new"}, claims())
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def swapped(text: str, **changes: Any) -> str:
    """The token with other claims under the same signature."""
    header, _, signature = text.split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims(**changes)).encode()).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def without_kid() -> str:
    return jwt.encode(claims(), NEW, algorithm="HS256", headers={"typ": "at+jwt"})


HOSTILE = "h" * 64
JWK = {"kty": "oct", "k": base64.urlsafe_b64encode(HOSTILE.encode()).decode()}
FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "alg empty": lambda: unsigned(""),
    "another key": lambda: sign(claims(), HOSTILE),
    "the key of another name": lambda: sign(claims(), OLD),
    "another algorithm with the right key": lambda: sign(claims(), NEW, "HS512"),
    "HS384 with the right key": lambda: sign(claims(), NEW, "HS384"),
    "no kid": without_kid,
    "unknown kid": lambda: sign(claims(), HOSTILE, kid="newer"),
    "empty kid": lambda: sign(claims(), HOSTILE, kid=""),
    "kid is a path": lambda: sign(claims(), HOSTILE, kid="../../../dev/null"),
    "kid is SQL": lambda: sign(claims(), HOSTILE, kid="x' UNION SELECT 'h"),
    "key in the header": lambda: sign(claims(), HOSTILE, jwk=JWK),
    "key behind an address": lambda: sign(claims(), HOSTILE, jku="http://127.0.0.1:1/jwks", x5u="http://127.0.0.1:1/"),
    "unknown critical header": lambda: sign(claims(), crit=["exp"], exp=0),
    "typ of another token": lambda: sign(claims(), typ="JWT"),
    "typ of a refresh token": lambda: sign(claims(), typ="rt+jwt"),
    "claims swapped": lambda: swapped(sign(claims()), sub="8"),
    "signature cut off": lambda: sign(claims()).rpartition(".")[0] + ".",
    "expired": lambda: sign(claims(exp=int(time.time()) - 1)),
    "issued in the future": lambda: sign(claims(iat=int(time.time()) + 60)),
    "not valid yet": lambda: sign(claims(nbf=int(time.time()) + 60)),
    "another audience": lambda: sign(claims(aud="shop")),
    "several audiences": lambda: sign(claims(aud=["hotrow", "shop"])),
    "another issuer": lambda: sign(claims(iss="shop")),
    "subject is no user": lambda: sign(claims(sub="root")),
    "subject is a number": lambda: sign(claims(sub=7)),
    "expiry is no time": lambda: sign(claims(exp="later")),
    "an opaque refresh token": lambda: "A" * 43,
    "garbage": lambda: "a.b.c",
    "nothing": lambda: "",
    **{f"without {name}": lambda name=name: sign({k: v for k, v in claims().items() if k != name}) for name in CLAIMS},
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_token_is_refused(use: Use, what: str) -> None:
    use(BOTH)
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(FORGED[what]())


def test_the_same_token_signed_as_it_should_be_is_taken(use: Use) -> None:
    """The control of all that is forged above."""
    use(BOTH)
    assert tokens.verify(sign(claims())) == 7
    assert tokens.verify(sign(claims(), OLD, kid="old")) == 7
    assert tokens.verify(sign(claims(iat=int(time.time()) + 2))) == 7  # another host's clock


def test_token_names_the_first_key_and_is_verified(use: Use) -> None:
    use(BOTH)
    token = tokens.issue(7)
    header = jwt.get_unverified_header(token.text)
    assert (header["kid"], header["alg"], header["typ"]) == ("new", "HS256", "at+jwt")
    assert (tokens.verify(token.text), token.ttl_s) == (7, 900)


def test_key_is_rotated_without_a_refusal(use: Use) -> None:
    """Three starts: the new key joins, signs, and the old one leaves when its last token has ended."""
    use(f"old:{OLD}")
    older = tokens.issue(7).text
    use(f"old:{OLD},new:{NEW}")
    between = tokens.issue(7).text
    use(BOTH)
    newer = tokens.issue(7).text
    assert [tokens.verify(token) for token in (older, between, newer)] == [7, 7, 7]
    use(f"new:{NEW}")
    assert tokens.verify(newer) == 7
    for token in (older, between):
        with pytest.raises(tokens.InvalidToken):
            tokens.verify(token)


def test_token_that_was_verified_still_ends(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    use(BOTH)
    text = tokens.issue(7).text
    assert tokens.verify(text) == 7
    now = time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 899)
    assert tokens.verify(text) == 7
    monkeypatch.setattr(tokens.time, "time", lambda: now + 901)
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(text)
