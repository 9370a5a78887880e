"""One kept answer: its bytes, the version of what they were read from, and how it looks in Redis."""

import hmac
import re
from dataclasses import dataclass
from hashlib import blake2b

_HEADER = re.compile(
    rb'\{"seen":(\d{1,16}),"end":(\d{1,16}),"ended":(\d{1,19}),"epoch":"((?:\d{1,16}-[0-9a-f]{1,32})?)","seal":"([0-9a-f]{32})"\}\n'
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A JSON document as it is sent, and between which positions of the log it was read (ADR 23).

    Every change up to ``seen`` is in it, and none that came behind ``end``. ``ended`` tells two readers of a
    primary apart whose log has not moved meanwhile.
    """

    seen: int
    end: int
    ended: int
    body: bytes
    etag: str

    @classmethod
    def of(cls, seen: int, body: bytes, end: int | None = None, ended: int = 0) -> "Entry":
        return cls(seen, seen if end is None else end, ended, body, f'"{blake2b(body, digest_size=12).hexdigest()}"')

    def replaces(self, held: "Entry") -> bool:
        """Whether it is certainly as new as what is held; the script in ``redis`` decides the same."""
        return (self.seen, self.ended) >= (held.end, held.ended)


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

    def having_seen(self, least: int) -> "Found":
        """The same, with an entry that has not seen so much left out."""
        if self.entry is None or self.entry.seen >= least:
            return self
        return Found(None, self.epoch)

    @property
    def least(self) -> int:
        """What the next entry must have seen: the change that began the epoch, and what was shown before."""
        return max(floor(self.epoch), 0 if self.entry is None else self.entry.end)


def epoch(floor: int, number: str) -> str:
    """How an epoch is written: the position of the change that began it, and what sets it apart."""
    return f"{floor}-{number}"


def floor(epoch: str) -> int:
    """The position of the change that began an epoch; 0 for the first one."""
    return int(epoch.partition("-")[0] or 0)


class Seal:
    """Writes and reads entries as text with a keyed hash, so that nobody else's text is ever served.

    Args:
        secret: Up to 64 bytes; processes with the same one read each other's entries.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def dump(self, key: str, entry: Entry, epoch: str) -> bytes:
        read = b'{"seen":%d,"end":%d,"ended":%d,"epoch":"%s",' % (entry.seen, entry.end, entry.ended, epoch.encode())
        return read + b'"seal":"%s"}\n' % self._seal(key, entry, epoch) + entry.body

    def load(self, key: str, text: bytes) -> tuple[Entry, str] | None:
        """Read an entry and its epoch; None for anything that was not written here under this key."""
        header = _HEADER.match(text)
        if header is None:
            return None
        seen, end, ended = (int(header[number]) for number in (1, 2, 3))
        entry, epoch = Entry.of(seen, text[header.end() :], end, ended), header[4].decode()
        return (entry, epoch) if hmac.compare_digest(header[5], self._seal(key, entry, epoch)) else None

    def _seal(self, key: str, entry: Entry, epoch: str) -> bytes:
        told = f"{key} {entry.seen} {entry.end} {entry.ended} {epoch}\n"
        made = blake2b(told.encode(), key=self._secret, digest_size=16)
        made.update(entry.body)
        return made.hexdigest().encode()
