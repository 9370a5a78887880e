"""Answers in this process: near copies of what Redis has, and the cache itself where there is no Redis."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from service.cache.entry import Entry, Found, epoch, floor
from service.db.positions import UNKNOWN

# A page of 100 products has 12 KB, so this is 6 MB at the most.
MAX_ENTRIES = 500
# Tags that changed; beyond this many all of them count as changed. 10 MB.
MAX_TAGS = 100_000


@dataclass(frozen=True, slots=True)
class _Kept:
    entry: Entry
    epoch: str
    fresh_until: float
    keep_until: float


class MemoryStore:
    """A bounded store; the entry that was longest not asked for goes first."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_tags: int = MAX_TAGS) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Kept] = OrderedDict()
        self._epochs: dict[str, str] = {}
        self._clock = self._floor = 0
        self._oldest = ""
        self._max_entries, self._max_tags = max_entries, max_tags

    def epoch(self, tag: str) -> str:
        """What changes whenever the tag is bumped."""
        return self._epochs.get(tag, self._oldest)

    def read(self, key: str, tag: str) -> Found:
        now = time.monotonic()
        with self._lock:
            epoch = self.epoch(tag)
            kept = self._entries.get(key)
            if kept is None or kept.epoch != epoch or kept.keep_until <= now:
                return Found(None, epoch)
            self._entries.move_to_end(key)
        return Found(kept.entry, epoch, kept.keep_until - now, now < kept.fresh_until)

    def write(self, key: str, tag: str, entry: Entry, *, epoch: str, fresh_s: float, keep_s: float) -> bool:
        """Keep an entry, unless its tag was bumped since ``epoch`` or a newer entry is there."""
        now = time.monotonic()
        with self._lock:
            kept = self._entries.get(key)
            is_newer = kept is None or kept.keep_until <= now or entry.replaces(kept.entry)
            if not is_newer or epoch != self.epoch(tag):
                return False
            self._entries[key] = _Kept(entry, epoch, now + fresh_s, now + keep_s)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return True

    def bump(self, tags: Mapping[str, int]) -> None:
        """Let all that is kept under these tags be a miss from now on.

        Args:
            tags: With the position of the change of each.
        """
        with self._lock:
            self._clock += 1
            self._floor = max([self._floor, *tags.values()])
            if len(self._epochs) >= self._max_tags:
                self._epochs.clear()
                self._oldest = epoch(self._floor, str(self._clock))
            for tag, position in tags.items():
                known = floor(self.epoch(tag))
                latest = position if known == UNKNOWN else max(known, position)
                self._epochs[tag] = epoch(latest, str(self._clock))
