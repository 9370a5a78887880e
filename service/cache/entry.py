"""One kept answer: its bytes, the version of what they were read from, and how it looks in Redis."""

import hmac
import re
from dataclasses import dataclass
from hashlib import blake2b

_HEADER = re.compile(rb'\{"version":(\d{1,18}),"epoch":"([0-9a-f]{0,32})","seal":"([0-9a-f]{32})"\}\n')


@dataclass(frozen=True, slots=True)
class Entry:
    """A JSON document as it is sent; ``version`` grows with the database's snapshots."""

    version: int
    body: bytes
    etag: str

    @classmethod
    def of(cls, version: int, body: bytes) -> "Entry":
        return cls(version, body, f'"{blake2b(body, digest_size=12).hexdigest()}"')


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long an answer is served as it is, and until when while somebody computes the next one.

    ``near_s`` is how long a process serves its own copy without asking Redis; 0 for never.
    """

    fresh_s: float
    keep_s: float
    near_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a store had. ``epoch`` is what a later write must name; ``left_s`` is the entry's time in the store."""

    entry: Entry | None
    epoch: str
    left_s: float = 0.0
    is_fresh: bool = False


class Seal:
    """Writes and reads entries as text with a keyed hash, so that nobody else's text is ever served.

    Args:
        secret: Up to 64 bytes; processes with the same one read each other's entries.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def dump(self, key: str, entry: Entry, epoch: str) -> bytes:
        seal = self._seal(key, entry.version, epoch, entry.body)
        return b'{"version":%d,"epoch":"%s","seal":"%s"}\n%s' % (entry.version, epoch.encode(), seal, entry.body)

    def load(self, key: str, text: bytes) -> tuple[Entry, str] | None:
        """Read an entry and its epoch; None for anything that was not written here under this key."""
        header = _HEADER.match(text)
        if header is None:
            return None
        version, epoch, body = int(header[1]), header[2].decode(), text[header.end() :]
        if not hmac.compare_digest(header[3], self._seal(key, version, epoch, body)):
            return None
        return Entry.of(version, body), epoch

    def _seal(self, key: str, version: int, epoch: str, body: bytes) -> bytes:
        made = blake2b(f"{key} {version} {epoch}\n".encode(), key=self._secret, digest_size=16)
        made.update(body)
        return made.hexdigest().encode()
