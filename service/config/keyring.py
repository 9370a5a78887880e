"""The keys of access tokens: ``kid:key,kid:key``; the first signs, all of them verify."""

import re
from dataclasses import dataclass, field

# RFC 7518, section 3.2: an HS256 key has at least as many bits as the hash output.
MIN_KEY_BYTES = 32
_KID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    kid: str
    secret: str = field(repr=False)


def parse(text: str) -> tuple[SigningKey, ...]:
    """Read a ring of keys; the key that signs comes first.

    Raises:
        ValueError: The text is no such ring; the message says what to change and shows no key.
    """
    ring: list[SigningKey] = []
    for number, entry in enumerate(text.split(","), start=1):
        kid, colon, secret = entry.strip().partition(":")
        if not colon or not _KID.fullmatch(kid):
            raise ValueError(
                f"entry {number} is not written as kid:key, where kid is up to 64 letters, digits, '.', '_' and '-'"
            )
        if len(secret.encode()) < MIN_KEY_BYTES:
            raise ValueError(f"key {kid} has fewer than {MIN_KEY_BYTES} bytes: make a longer one")
        if kid in {each.kid for each in ring}:
            raise ValueError(f"two keys are named {kid}: give each a name of its own")
        ring.append(SigningKey(kid, secret))
    return tuple(ring)
