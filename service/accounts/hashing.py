"""Check passwords without holding up other requests.

A password hash is tens of milliseconds of CPU in C with the GIL released. In a gevent worker it
would stop every greenlet, so it runs in a small pool of native threads of its own; the hub's pool
is shared with DNS. Database work stays outside: a connection belongs to its greenlet.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import gevent.monkey
import gevent.threadpool
from django.contrib.auth.hashers import make_password, verify_password

from service.accounts.models import User

# At 22 ms a hash and one thread a core, a caller behind this queue waits about 3 s: then 503.
MAX_WAITING_PER_THREAD = 128


class TooManyLogins(Exception):
    """The hashing threads have more work queued than a caller would wait for."""

    retry_after_s = 1


def authenticate(username: str, password: str) -> User | None:
    """Return the active user of that name and password, or None.

    An unknown name costs a hash too, so that the time tells nothing.

    Raises:
        TooManyLogins: The queue of hashes is full.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        _off_the_hub(make_password, password)
        return None
    is_correct, must_update = _off_the_hub(verify_password, password, user.password)
    if not is_correct:
        return None
    if must_update:
        user.password = _off_the_hub(make_password, password)
        user.save(update_fields=["password"])
    return user


def _off_the_hub(function: Callable[..., Any], *args: Any) -> Any:
    pool = _native_pool()
    if pool is None:
        return function(*args)
    if pool.task_queue.qsize() >= MAX_WAITING_PER_THREAD * pool.maxsize:
        raise TooManyLogins
    return pool.apply(function, args)


@cache
def _native_pool() -> Any:
    """The pool of this worker; None where requests have threads of their own."""
    if not gevent.monkey.is_module_patched("socket"):
        return None
    return gevent.threadpool.ThreadPool(os.cpu_count() or 1)
