"""psycopg and gevent in one process: the hub must not stop for the length of a query."""

import subprocess
import sys

import pytest


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


def test_hash_whose_deadline_passed_in_the_queue_is_not_computed() -> None:
    """The control is the first, which had its thread in time."""
    code = """
from gevent import monkey; monkey.patch_all()
import os
os.environ |= {'HOTROW_SECRET_KEY': 'x', 'HOTROW_JWT_KEYS': 'k:' + 'x' * 32, 'HOTROW_DATABASE_URL': 'dbname=x',
               'DJANGO_SETTINGS_MODULE': 'service.config.settings'}
import django; django.setup()
import gevent, time
from service.accounts.hashing import HashingPool
from service.front import deadline
sleep = monkey.get_original('time', 'sleep')
pool, hashed = HashingPool(1, 3), []
def work(name):
    sleep(0.5)
    hashed.append(name)
def ask(name):
    deadline.begin({}, time.monotonic(), 0.3, is_proxy_trusted=False)
    try:
        pool.apply(work, name)
    except deadline.DeadlinePassed:
        return 'too late'
jobs = [gevent.spawn(ask, name) for name in 'ab']
print([job.get() for job in jobs], hashed)
"""
    assert run(code) == "[None, 'too late'] ['a']"


GUARD = """
from gevent import monkey; monkey.patch_all()
import os
os.environ |= {'HOTROW_SECRET_KEY': 'x', 'HOTROW_JWT_KEYS': 'k:' + 'x' * 32, 'HOTROW_DATABASE_URL': 'dbname=x'}
from gevent import socket
from service.front.counts import counts
from service.front.guard import Guard
from service.front.inbox import GATHER_S, Inbox
from service.front.limit import Limit
from service.front.turns import Turns
GET = b'GET /api HTTP/1.1\\r\\n\\r\\n'
def pair(most=1):
    here, there = socket.socketpair()
    limit = Limit(most)
    return Guard(there, limit, Turns(8), Inbox(limit), 2.0), here
"""


def test_request_of_a_client_that_hung_up_is_dropped() -> None:
    code = (
        GUARD
        + """
guard, client = pair()
counts.inside = 1
guard._limit.now = 2
client.sendall(GET)
first = guard.recv(8192) == GET
guard.ended()
client.sendall(GET)
client.close()
print(first, guard.recv(8192), counts.abandoned)
"""
    )
    assert run(code) == "True b'' 1"


def test_guard_refuses_at_the_start_of_a_request_and_nowhere_else() -> None:
    """In the middle of a body bytes that look like a request are a body, and the guard knows where it ends."""
    code = (
        GUARD
        + """
guard, client = pair(most=3)
counts.inside = 1
client.sendall(GET.replace(b'/api', b'/healthz'))
probe = guard.recv(8192)[:12]
guard.ended()
client.sendall(b'POST /api HTTP/1.1\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(GET))
head = guard.recv(8192)[:4]
client.sendall(GET)
body = guard.recv(8192) == GET
# Two at once: where the next begins is not known any more.
guard.ended()
client.sendall(GET + GET)
two = guard.recv(8192) == GET + GET
guard.ended()
client.sendall(GET)
rest = guard.recv(8192) == GET
print(probe, head, body, two, rest, counts.shed)
guard, client = pair()
# Head and body apart, as many clients send them.
client.sendall(b'POST /api HTTP/1.1\\r\\nContent-Length: 2\\r\\n\\r\\n')
import gevent
gevent.spawn_later(0.1, lambda: client.sendall(b'{}'))
gevent.spawn_later(0.2, lambda: (setattr(counts, 'inside', 0), client.sendall(GET)))
admitted = guard.recv(8192) == GET
print(client.recv(8192)[:12], admitted, counts.shed)
counts.inside = 1
guard, client = pair()
client.sendall(GET.replace(b'GET', b'HEAD'))
head = guard.recv(8192)[:4]
guard.ended()
client.sendall(GET.replace(b'1.1', b'1.0'))
print(head, guard.recv(8192), b'Connection: close' in client.recv(8192))
"""
    )
    assert run(code).splitlines() == [
        "b'GET /healthz' b'POST' True True True 0",
        "b'HTTP/1.1 503' True 1",
        "b'HEAD' b'' True",
    ]


FULL = (
    GUARD
    + """
import gevent
from service.front import refusals
said_by = []
written = refusals.OVERLOAD.written
refusals.OVERLOAD.written = lambda **how: said_by.append(gevent.getcurrent() is gevent.get_hub()) or written(**how)
counts.inside = 1
def status(client):
    with gevent.Timeout(5):
        return client.recv(8192)[9:12]
"""
)


def test_hub_refuses_and_the_clients_greenlet_sleeps_on() -> None:
    """The control is the first, which had come before its greenlet looked."""
    code = (
        FULL
        + """
guard, client = pair()
client.sendall(GET)
served = gevent.spawn(guard.recv, 8192)
answers = [status(client)]
for _ in range(3):
    client.sendall(GET)
    answers.append(status(client))
print(set(answers), said_by, counts.shed, served.dead)
counts.inside = 0
client.sendall(GET)
print(served.get(timeout=5) == GET, counts.shed)
"""
    )
    assert run(code).splitlines() == ["{b'503'} [False, True, True, True] 4 False", "True 4"]


def test_request_that_comes_while_nobody_listens_is_found_afterwards() -> None:
    """The kernel tells of it once: while the one before is answered."""
    code = (
        FULL
        + """
guard, client = pair()
counts.inside = 0
client.sendall(GET)
first = guard.recv(8192) == GET
client.sendall(GET)
gevent.sleep(0.05)
guard.ended()
with gevent.Timeout(5):
    second = guard.recv(8192) == GET
guard.ended()
client.sendall(GET)
gevent.sleep(0.05)
counts.inside = 1
guard.ended()
served = gevent.spawn(guard.recv, 8192)
print(first, second, status(client), said_by)
"""
    )
    assert run(code) == "True True b'503' [False]"


def test_client_that_hangs_up_in_a_full_worker_is_told_of() -> None:
    """Half closed it is answered first; the control is one that stays."""
    code = (
        FULL
        + """
stays, half, gone = pair(), pair(), pair()
served = [gevent.spawn(each[0].recv, 8192) for each in (stays, half, gone)]
gevent.sleep(0.05)
stays[1].sendall(GET)
half[1].sendall(GET)
half[1].shutdown(socket.SHUT_WR)
gone[1].close()
print(status(stays[1]), status(half[1]))
gevent.joinall(served[1:], timeout=5)
print([each.dead and each.value for each in served])
"""
    )
    assert run(code).splitlines() == ["b'503' b'503'", "[False, b'', b'']"]


def test_client_that_asks_and_never_reads_is_given_up() -> None:
    """The control reads."""
    code = (
        FULL
        + """
def asks(most, reads):
    guard, client = pair()
    guard.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    served = gevent.spawn(guard.recv, 8192)
    for number in range(most):
        if served.dead:
            break
        client.sendall(GET)
        # One at a time, or they would be let in as more than one.
        gevent.sleep(2 * GATHER_S)
        if reads:
            status(client)
    gevent.sleep(0.05)
    return served.dead and served.value
print(asks(100, False), asks(100, True))
"""
    )
    assert run(code) == "b'' False"


def test_guard_that_is_closed_twice_takes_nobody_elses_place() -> None:
    """The number of its socket is the next client's by then; the control says that it is."""
    code = (
        FULL
        + """
limit = Limit(1)
inbox = Inbox(limit)
def guarded(there):
    return Guard(there, limit, Turns(8), inbox, 2.0)
here, there = socket.socketpair()
first, number = guarded(there), there.fileno()
spare_here, spare = socket.socketpair()
first.close()
os.dup2(spare.detach(), number)
second = guarded(socket.socket(fileno=number))
first.close()
served = gevent.spawn(second.recv, 8192)
gevent.sleep(0.05)
spare_here.sendall(GET)
print(second.fileno() == number, status(spare_here), said_by)
"""
    )
    assert run(code) == "True b'503' [True]"


def test_what_comes_to_a_full_worker_gathers_until_there_is_room() -> None:
    """The control is the first request, which came before the worker had looked and found itself full."""
    code = (
        FULL
        + """
from service.front import inbox
inbox.GATHER_S = 60
guard, client = pair()
served = gevent.spawn(guard.recv, 8192)
gevent.sleep(0.05)
client.sendall(GET)
first = status(client)
client.sendall(GET)
gevent.sleep(0.1)
waits = not served.dead and counts.shed
counts.inside = 0
guard._inbox.has_room()
print(first, waits, served.get(timeout=5) == GET)
"""
    )
    assert run(code) == "b'503' 1 True"


@pytest.mark.parametrize(("gather_s", "is_calm"), [("inbox.GATHER_S", True), ("1e-6", False)])
def test_full_worker_that_waits_looks_once_for_each_gathering(gather_s: str, is_calm: bool) -> None:
    """The control is a timer that fires at once: the hub would look thousands of times, at the processor's cost."""
    code = (
        FULL
        + f"""
from service.front import inbox
inbox.GATHER_S = {gather_s}
looks = []
look = inbox.Inbox._look
inbox.Inbox._look = lambda self: (looks.append(1), look(self))
guard, client = pair()
served = gevent.spawn(guard.recv, 8192)
gevent.sleep(0.01)
client.sendall(GET)
gevent.sleep(0.2)
print(0 < len(looks) <= 60)
"""
    )
    assert run(code) == str(is_calm)
