"""psycopg and gevent in one process: the hub must not stop for the length of a query."""

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CHECK = "from psycopg import waiting; print(waiting.wait is getattr(waiting, 'wait_c', None))"


def test_psycopg_waits_with_gevent_when_it_is_imported_after_the_patch() -> None:
    assert run("from gevent import monkey; monkey.patch_all()\n" + CHECK) == "False"


def test_psycopg_blocks_the_hub_when_it_is_imported_before_the_patch() -> None:
    """The control: what the check in gunicorn's configuration refuses does happen."""
    assert run("import psycopg.waiting\nfrom gevent import monkey; monkey.patch_all()\n" + CHECK) == "True"


def test_gunicorn_configuration_imports_neither_django_nor_psycopg() -> None:
    code = (
        "import os, sys\n"
        "os.environ |= {'HOTROW_SECRET_KEY': 'x', 'HOTROW_JWT_KEYS': 'k:' + 'x' * 32}\n"
        "os.environ['HOTROW_DATABASE_URL'] = 'dbname=x'\n"
        "import service.config.gunicorn\n"
        "print(sorted({'django', 'psycopg', 'psycopg_pool'} & set(sys.modules)))"
    )
    assert run(code) == "[]"


def test_password_hash_leaves_the_hub_free() -> None:
    code = """
import os
from gevent import monkey; monkey.patch_all()
os.environ |= {'HOTROW_SECRET_KEY': 'x', 'HOTROW_JWT_KEYS': 'k:' + 'x' * 32, 'HOTROW_DATABASE_URL': 'dbname=x',
               'DJANGO_SETTINGS_MODULE': 'service.config.settings'}
import django; django.setup()
import gevent, time
from django.contrib.auth.hashers import make_password
from service.accounts import hashing
def longest_pause(work):
    pauses, last, done = [], time.perf_counter(), []
    job = gevent.spawn(lambda: (work(), done.append(1)))
    while not done:
        gevent.sleep(0.001)
        now = time.perf_counter(); pauses.append(now - last); last = now
    job.get()
    return max(pauses)
def ten(hash_once):
    return lambda: [hash_once() for _ in range(10)]
def off_the_hub():
    hashing._off_the_hub(make_password, 'p')
def on_the_hub():
    make_password('p')
off_the_hub()
print(longest_pause(ten(off_the_hub)) < longest_pause(ten(on_the_hub)) / 3)
"""
    assert run(code) == "True"


def test_queue_before_the_hashing_threads_is_bounded_and_empties_again() -> None:
    code = """
from gevent import monkey; monkey.patch_all()
import os
os.environ |= {'HOTROW_SECRET_KEY': 'x', 'HOTROW_JWT_KEYS': 'k:' + 'x' * 32, 'HOTROW_DATABASE_URL': 'dbname=x',
               'DJANGO_SETTINGS_MODULE': 'service.config.settings'}
import django; django.setup()
import gevent
from service.accounts.hashing import HashingPool, TooManyLogins
sleep = monkey.get_original('time', 'sleep')
pool = HashingPool(2, 3)
def ask():
    try:
        return pool.apply(sleep, 0.2)
    except TooManyLogins:
        return 'refused'
def outcomes(number):
    jobs = [gevent.spawn(ask) for _ in range(number)]
    gevent.sleep(0.05)
    # The control: three wait, and the queue that gevent shows never has more than one: its length bounds nothing.
    shown = pool._pool.task_queue.qsize()
    return [job.get() for job in jobs].count('refused'), shown <= 1
print(outcomes(10), outcomes(5), outcomes(6))
"""
    assert run(code) == "(5, True) (0, True) (1, True)"
