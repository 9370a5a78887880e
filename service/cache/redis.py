"""Answers in Redis: each operation is one command, and an older entry never overwrites a newer one."""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from service.cache.entry import Entry, Found, Lifetime, Seal
from service.db.positions import UNKNOWN

if TYPE_CHECKING:
    from redis import Redis

# Raise the number when the form of an answer changes: releases side by side then keep apart.
PREFIX = "hotrow:1:"
# Whoever holds a claim longer has ended, or its database is in trouble: another may try.
CLAIM_MS = 2_000
# Much longer than any answer is kept: an answer of before a change never outlives what tells of it.
EPOCH_MS = 3_600_000

# What is not a string is nothing of ours, and would fail each command on it.
_READ = """
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then redis.call('DEL', KEYS[1]) value = false end
local epoch = redis.pcall('GET', KEYS[2])
if type(epoch) == 'table' then redis.call('DEL', KEYS[2]) epoch = false end
return {value, redis.call('PTTL', KEYS[1]), epoch}
"""
_WRITE = """
if redis.pcall('GET', KEYS[3]) == ARGV[5] then redis.call('DEL', KEYS[3]) end
if (redis.pcall('GET', KEYS[2]) or '') ~= ARGV[3] then return 0 end
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' then
  local ends, ended = string.match(held, '^{"seen":%d+,"end":(%d+),"ended":(%d+),')
  ends, ended = tonumber(ends), tonumber(ended)
  local seen = tonumber(ARGV[4])
  if ends and (seen < ends or seen == ends and tonumber(ARGV[6]) < ended) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
# Notices of two processes may come in the other order than their changes: the later position stays.
_BUMP = """
for number, key in ipairs(KEYS) do
  local position = tonumber(ARGV[number + 3])
  local held = redis.pcall('GET', key)
  held = type(held) == 'string' and tonumber(string.match(held, '^(%d+)-'))
  if held and held > position and held < tonumber(ARGV[3]) then position = held end
  redis.call('SET', key, string.format('%.0f-%s', position, ARGV[1]), 'PX', ARGV[2])
end
"""
_RELEASE = "if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class StoreAway(Exception):
    """Redis did not answer, or not with what was asked for."""


class RedisStore:
    """Speaks to one Redis; every failure is :exc:`StoreAway`."""

    def __init__(self, client: "Redis", seal: Seal) -> None:
        self._client = client
        self._seal = seal
        self._read, self._write, self._bump, self._release = (
            client.register_script(text) for text in (_READ, _WRITE, _BUMP, _RELEASE)
        )

    def read(self, key: str, tag: str, lifetime: Lifetime) -> Found:
        """Look for an entry; what others wrote in its place is thrown away and is a miss."""
        text, left_ms, raw_epoch = self._ask(self._read, [_entry(key), _epoch(tag)])
        epoch = raw_epoch.decode(errors="replace") if raw_epoch else ""
        if not text:
            return Found(None, epoch)
        loaded = self._seal.load(key, text)
        if loaded is None:
            self._ask(self._client.delete, _entry(key))
        if loaded is None or loaded[1] != epoch:
            return Found(None, epoch)
        left_s = left_ms / 1000
        return Found(loaded[0], epoch, left_s, left_s > lifetime.keep_s - lifetime.fresh_s)

    def claim(self, key: str) -> str | None:
        """Be the one who computes; None while another is. The claim ends by itself soon."""
        claim = uuid.uuid4().hex
        return claim if self._ask(self._client.set, _claim(key), claim, nx=True, px=CLAIM_MS) else None

    def write(self, key: str, tag: str, entry: Entry, *, epoch: str, lifetime: Lifetime, claim: str | None) -> bool:
        """Give the claim back and keep the entry, unless its tag was bumped or a newer entry is there."""
        keys = [_entry(key), _epoch(tag), _claim(key)]
        text = self._seal.dump(key, entry, epoch)
        keep_ms = int(lifetime.keep_s * 1000)
        return bool(self._ask(self._write, keys, [text, keep_ms, epoch, entry.seen, claim or "", entry.ended]))

    def release(self, key: str, claim: str) -> None:
        """Give the claim back with nothing to keep."""
        self._ask(self._release, [_claim(key)], [claim])

    def bump(self, tags: Mapping[str, int]) -> None:
        """Let all that is kept under these tags be a miss from now on.

        Args:
            tags: With the position of the change of each.
        """
        keys = [_epoch(tag) for tag in tags]
        if keys:
            self._ask(self._bump, keys, [uuid.uuid4().hex, EPOCH_MS, UNKNOWN, *tags.values()])

    def ping(self) -> None:
        self._ask(self._client.ping)

    def drop_connections(self) -> None:
        """Close the idle ones: after an outage each would fail once more."""
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _ask(self, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options)
        except (RedisError, OSError) as error:
            raise StoreAway(str(error)) from error


def _entry(key: str) -> str:
    return f"{PREFIX}answer:{key}"


def _epoch(tag: str) -> str:
    return f"{PREFIX}epoch:{tag}"


def _claim(key: str) -> str:
    return f"{PREFIX}claim:{key}"
