"""The one door to the cache: an answer is looked for, computed once where it is missing, and kept.

The cache is advisory. With Redis away each process keeps answers by itself; with ``HOTROW_CACHE=none``
each is computed. Nothing that decides may ask here (ADR 20).
"""

import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from hashlib import sha512

from django.db import Error as DatabaseError
from django_redis import get_redis_connection

from service.cache.entry import Entry, Found, Lifetime, Seal
from service.cache.flights import Flights
from service.cache.memory import MemoryStore
from service.cache.redis import RedisStore, StoreAway
from service.cache.shared import Shared, Visit
from service.config.environment import CacheBackend, environment
from service.db.positions import UNKNOWN
from service.db.sqlstates import is_transient
from service.metrics.timings import timed

logger = logging.getLogger(__name__)

# Somebody else computes: an answer takes a few milliseconds, and a database in trouble takes longer.
OTHERS_S = 0.2
POLL_S = 0.01

Compute = Callable[[int], Entry]
"""Reads an answer that has seen so much: what was committed at that position, and before it."""
Publish = Callable[[Entry], None]


class Source(StrEnum):
    """Where an answer came from. ``joined``: computed for another request of the same worker."""

    MEMORY = "memory"
    REDIS = "redis"
    STALE = "stale"
    COMPUTED = "computed"
    JOINED = "joined"


class Answers:
    """The answers of one process.

    Args:
        memory: None where nothing is to be kept.
        shared: None without Redis.
    """

    def __init__(self, memory: MemoryStore | None, shared: Shared | None) -> None:
        self._memory = memory
        self._shared = shared
        self._flights: Flights[Entry] = Flights()
        # Plain numbers, because a kept answer is cheap: one costs 0.05 us, a metric's counter 1.4 us.
        self.counts = dict.fromkeys(Source, 0)

    def get(self, key: str, tag: str, lifetime: Lifetime, compute: Compute, least: int = 0) -> Entry:
        """Find the answer, or compute it.

        An answer that is no longer fresh is served to all but the one who computes the next, and to that
        one too when the database cannot be asked.

        Args:
            tag: What :meth:`changed` names to end it early.
            compute: Reads it from the database.
            least: The position that the answer must have seen, where the caller knows of a change.
        """
        memory = self._memory
        if memory is None:
            self.counts[Source.COMPUTED] += 1
            return compute(least)
        with timed("cache"):
            return self._get(memory, _Question(key, tag, lifetime, compute, least))

    def _get(self, memory: MemoryStore, question: "_Question") -> Entry:
        near = memory.read(question.key, question.tag).having_seen(question.least)
        # What was kept here while Redis was away is not looked at when it is back.
        is_asked_first = self._shared is None or question.lifetime.near_s > 0
        if is_asked_first and near.entry is not None and near.is_fresh:
            self.counts[Source.MEMORY] += 1
            return near.entry
        source = Source.JOINED

        def look(publish: Publish) -> Entry:
            nonlocal source
            entry, source = self._look(memory, question, publish)
            return entry

        # Whoever comes after a change made here does not join those who came before it.
        entry = self._flights.run((question.key, near.epoch), look, lambda entry: entry.seen >= question.least)
        self.counts[source] += 1
        return entry

    def changed(self, tags: Iterable[str], position: int | None = None) -> None:
        """End what is kept under these tags; call it when the change is committed. Never waits, never fails.

        Args:
            position: Of the change: without it no replica is asked for the next answers.
        """
        if self._memory is None:
            return
        named = dict.fromkeys(tags, UNKNOWN if position is None else position)
        self._memory.bump(named)
        if self._shared is not None:
            self._shared.changed(named)

    def is_well(self) -> bool:
        """Whether answers are kept where they should be."""
        try:
            if self._shared is not None:
                self._shared.ping()
        except StoreAway:
            return False
        return self._memory is not None

    @property
    def is_alone(self) -> bool:
        """Whether Redis is left alone at the moment."""
        return self._shared is not None and self._shared.is_away

    def _look(self, memory: MemoryStore, question: "_Question", publish: Publish) -> tuple[Entry, Source]:
        key, tag, lifetime = question.key, question.tag, question.lifetime
        epoch = memory.epoch(tag)
        if self._shared is not None:
            try:
                entry, near_s, source = _in_redis(self._shared.visit(), question, publish)
            except StoreAway:
                pass
            else:
                if near_s > 0:
                    memory.write(key, tag, entry, epoch=epoch, fresh_s=near_s, keep_s=near_s)
                return entry, source
        kept = memory.read(key, tag)
        found = kept.having_seen(question.least)
        if found.entry is not None:
            if found.is_fresh:
                return found.entry, Source.MEMORY
            publish(found.entry)
        entry = question.answer(found.entry, kept)
        if entry is found.entry:
            return entry, Source.STALE
        memory.write(key, tag, entry, epoch=found.epoch, fresh_s=lifetime.fresh_s, keep_s=lifetime.keep_s)
        return entry, Source.COMPUTED


@dataclass(frozen=True, slots=True)
class _Question:
    key: str
    tag: str
    lifetime: Lifetime
    compute: Compute
    least: int

    def answer(self, stale: Entry | None, kept: Found) -> Entry:
        """The next answer; the last one where the database is away.

        Args:
            stale: What may be served once more.
            kept: What the store had: nobody is to see anything older than that.
        """
        try:
            return self.compute(max(self.least, kept.least))
        except DatabaseError as error:
            if stale is None or not is_transient(error):
                raise
            logger.warning("the database is away: the last answer is served")
            return stale


def _in_redis(visit: Visit, question: _Question, publish: Publish) -> tuple[Entry, float, Source]:
    """Find the answer in Redis, or compute it and put it there.

    Returns:
        The answer, how long a near copy of it may be served, and where it came from.

    Raises:
        StoreAway: Redis is of no use, and nothing was computed.
    """
    key, tag, lifetime = question.key, question.tag, question.lifetime
    kept = visit.read(key, tag, lifetime)
    found = kept.having_seen(question.least)
    if found.entry is not None and found.is_fresh:
        return found.entry, min(lifetime.near_s, found.left_s), Source.REDIS
    claim = visit.claim(key)
    if claim is None:
        others = found.entry or _of_others(visit, question)
        if others is not None:
            return others, 0.0, Source.STALE if found.entry is not None else Source.REDIS
    else:
        # It may have been computed between the first look and the claim.
        kept = visit.read(key, tag, lifetime)
        found = kept.having_seen(question.least)
        if found.entry is not None:
            if found.is_fresh:
                with suppress(StoreAway):
                    visit.release(key, claim)
                return found.entry, min(lifetime.near_s, found.left_s), Source.REDIS
            publish(found.entry)
    entry = found.entry
    try:
        entry = question.answer(found.entry, kept)
    finally:
        with suppress(StoreAway):
            if entry is not None and entry is not found.entry:
                visit.write(key, tag, entry, epoch=found.epoch, lifetime=lifetime, claim=claim)
            elif claim is not None:
                visit.release(key, claim)
    return entry, lifetime.near_s, Source.STALE if entry is found.entry else Source.COMPUTED


def _of_others(visit: Visit, question: _Question) -> Entry | None:
    """What another process computes at the moment; None if that takes too long."""
    deadline = time.monotonic() + OTHERS_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        found = visit.read(question.key, question.tag, question.lifetime).having_seen(question.least)
        if found.entry is not None:
            return found.entry
    return None


def answers() -> Answers:
    """The answers of this process; a forked worker has its own."""
    return _answers(os.getpid())


@cache
def _answers(pid: int) -> Answers:
    env = environment()
    match env.cache:
        case CacheBackend.NONE:
            return Answers(None, None)
        case CacheBackend.MEMORY:
            return Answers(MemoryStore(), None)
        case CacheBackend.REDIS:
            # A secret key may have any length; a hash takes 64 bytes of key.
            seal = Seal(sha512(env.secret_key.get_secret_value().encode()).digest())
            return Answers(MemoryStore(), Shared(RedisStore(get_redis_connection("default"), seal)))
