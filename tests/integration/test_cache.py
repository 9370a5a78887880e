"""The cache on a real Redis: JSON and never pickle, and no error when Redis is away."""

import json
import os
import pickle
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import redis

from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

pytestmark = pytest.mark.usefixtures("django_service")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/hotrow-pickle-bomb",)


def test_cache_keeps_json_in_redis(stack: Stack) -> None:
    from django.core.cache import cache

    key = uuid.uuid4().hex
    cache.set(key, {"available": 3}, 60)
    assert cache.get(key) == {"available": 3}
    with redis.Redis.from_url(stack.service_env()["REDIS_URL"]) as raw:
        assert json.loads(raw.get(f":1:{key}")) == {"available": 3}


def test_pickle_in_redis_is_not_executed(stack: Stack) -> None:
    from django.core.cache import cache

    key = uuid.uuid4().hex
    with redis.Redis.from_url(stack.service_env()["REDIS_URL"]) as raw:
        raw.set(f":1:{key}", pickle.dumps(Bomb()))
    with pytest.raises(ValueError):  # noqa: PT011  # whichever way JSON refuses it
        cache.get(key)
    assert not Path("/tmp/hotrow-pickle-bomb").exists()


def test_cache_without_redis_is_a_miss_within_its_timeout(stack: Stack) -> None:
    """Another process, whose Redis is a port that nothing listens on."""
    code = (
        "import django; django.setup()\n"
        "from django.core.cache import cache\n"
        "cache.set('a', 1, 60); assert cache.get('a') is None; print('miss')"
    )
    env = {f"HOTROW_{name}": value for name, value in stack.service_env().items()} | {
        "HOTROW_REDIS_URL": f"redis://{HOST}:{free_port()}/0",
        "DJANGO_SETTINGS_MODULE": "service.config.settings",
    }
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True)
    assert done.stdout == "miss\n", done.stderr
    assert time.monotonic() - started < 10
