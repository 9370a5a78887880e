"""The benchmark's tokens are what the service verifies."""

import jwt
import pytest

from tuning.bench import tokens

KEY = "k" * 48


def decode(text: str, key: str) -> dict[str, object]:
    options = {"require": ["exp", "iat", "iss", "aud", "sub", "jti"]}
    found: dict[str, object] = jwt.decode_complete(
        text, key, algorithms=["HS256"], audience="hotrow", issuer="hotrow", options=options
    )
    return found


def test_token_has_the_claims_of_the_service() -> None:
    found = decode(tokens.issue(7, "k1", KEY), KEY)
    assert found["payload"]["sub"] == "7"  # type: ignore[index]
    assert (found["header"]["typ"], found["header"]["kid"]) == ("at+jwt", "k1")  # type: ignore[index]


def test_token_of_another_key_is_refused() -> None:
    with pytest.raises(jwt.InvalidSignatureError):
        decode(tokens.issue(7, "k1", KEY), "x" * 48)


def test_first_key_of_the_ring_signs() -> None:
    assert tokens.first_key(f"new:{KEY},old:x") == ("new", KEY)
