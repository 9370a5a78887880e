"""Check passwords without holding up other requests.

A password hash is tens of milliseconds of CPU in C with the GIL released. In a gevent worker it
would stop every greenlet, so it runs in a small pool of native threads of its own; the hub's pool
is shared with DNS. Database work stays outside: a connection belongs to its greenlet, and goes back
to its pool meanwhile, so that logins that wait for a hash take none from those who read.

Checks are not cached: a cache of password checks is a list of passwords with a fast hash, and a wrong
password would still cost a slow one. What is cached is their outcome, the access token.
"""

import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import gevent.monkey
import gevent.threadpool
from django.contrib.auth.hashers import make_password, verify_password

from service.accounts.models import User
from service.config.environment import environment
from service.db.pooled import give_back
from service.front import deadline
from service.front.door import parked
from service.metrics.instruments import HASH_CPU_SECONDS, LOGINS_REFUSED


class TooManyLogins(Exception):
    """The hashing threads have more work queued than a caller would wait for."""

    retry_after_s = 1


class HashingPool:
    """A bounded queue before native threads; for the greenlets of one hub."""

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._pool = gevent.threadpool.ThreadPool(threads)
        self._limit = threads + max_waiting
        # gevent's pool lets callers wait before its queue, so the queue's length says nothing.
        self.under_way = 0

    def apply(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run the function in a native thread and wait for it.

        Raises:
            TooManyLogins: As many as may are waiting already.
            DeadlinePassed: The request had waited too long when its turn came.
        """
        ends = deadline.current()

        def in_time() -> Any:
            deadline.check(ends)
            return function(*args)

        if self.under_way >= self._limit:
            LOGINS_REFUSED.labels("queue").inc()
            raise TooManyLogins
        self.under_way += 1
        try:
            with parked():
                return self._pool.apply(in_time)
        finally:
            self.under_way -= 1


def authenticate(username: str, password: str) -> User | None:
    """Return the active user of that name and password, or None.

    An unknown name costs a hash too, so that the time tells nothing. A hash of another hasher takes
    that hasher's time until its owner's next login renews it.

    Raises:
        TooManyLogins: The queue of hashes is full.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    give_back()
    if user is None:
        _off_the_hub(make_password, password)
        return None
    is_correct, must_update = _off_the_hub(verify_password, password, user.password)
    if not is_correct:
        return None
    if must_update:
        older, user.password = user.password, _off_the_hub(make_password, password)
        # Not over a password that was changed meanwhile.
        User.objects.filter(pk=user.pk, password=older).update(password=user.password)
    return user


def _off_the_hub(function: Callable[..., Any], *args: Any) -> Any:
    pool = native_pool()
    result, cpu_s = _measured(function, *args) if pool is None else pool.apply(_measured, function, *args)
    # Here and not in the native thread: the counter's lock is for greenlets.
    HASH_CPU_SECONDS.inc(cpu_s)
    return result


def _measured(function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    """The result, and the processor time of this thread in s: what it waited for a core is not in it."""
    began = time.thread_time()
    return function(*args), time.thread_time() - began


@cache
def native_pool() -> HashingPool | None:
    """The pool of this worker; None where requests have threads of their own."""
    if not gevent.monkey.is_module_patched("socket"):
        return None
    # All workers together compute on each core once: more threads would take the cores from those who read.
    # At the priority of all else: ten steps below, reads that kept each core busy made a login take 25 s, not 3 to 7.
    threads = max(1, (os.cpu_count() or 1) // environment().worker_count)
    return HashingPool(threads, environment().login_queue)
