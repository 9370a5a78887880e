"""gunicorn's sync worker behind the front door: its queue is the kernel's, and is looked at between requests."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from gunicorn.workers import sync

from service.config.environment import environment
from service.front import refusals, requests
from service.front.counts import counts
from service.front.drain import Draining

_READ_BYTES = 65_536
# struct tcp_info (linux/tcp.h): of a socket that listens, tcpi_unacked is how many connections wait for accept().
_UNACKED = struct.Struct("=24xI")


class SyncWorker(Draining, sync.SyncWorker):  # type: ignore[misc]  # gunicorn has no types
    """Refuses the longest waiting connections while more wait than the workers serve in time.

    All workers share one queue, so the bound is that of all of them.
    """

    drain_s = environment().drain_s

    def accept(self, listener: Any) -> None:
        bound = environment().max_in_flight * environment().worker_count
        while 0 < bound < _waiting(listener):
            client, address = listener.accept()
            if requests.is_probe(_peek(client)):
                client.setblocking(True)
                self.handle(listener, client, address)
            else:
                _refuse(client)
        super().accept(listener)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        def end() -> None:
            call()
            # The worker sleeps until somebody comes; a signal would have woken it.
            os.write(self.PIPE[1], b".")

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()


def _waiting(listener: Any) -> int:
    """How many connections the kernel holds for this listener; 0 for a Unix socket, which does not tell."""
    if listener.FAMILY not in (socket.AF_INET, socket.AF_INET6):
        return 0
    found: tuple[int] = _UNACKED.unpack(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.size))
    return found[0]


def _peek(client: socket.socket) -> bytes:
    try:
        return client.recv(_READ_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""


def _refuse(client: socket.socket) -> None:
    counts.shed += 1
    with contextlib.closing(client), contextlib.suppress(OSError):
        # What is left unread makes the kernel take the answer back.
        client.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        client.send(refusals.OVERLOAD.written(closes=True), socket.MSG_DONTWAIT)
