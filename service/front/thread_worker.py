"""gunicorn's worker with threads behind the front door."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.workers import gthread

from service.config.environment import environment
from service.front import refusals, requests
from service.front.counts import counts
from service.front.door import arrival
from service.front.drain import Draining
from service.front.limit import limit

# More than the head of a request: what is left unread makes the kernel take the answer back.
_READ_BYTES = 65_536


class ThreadWorker(Draining, gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Bounds the queue before the threads, which gunicorn lets grow to ``worker_connections``.

    The thread that accepts connections also refuses; working threads are not asked.
    """

    drain_s = environment().drain_s

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_bounded = environment().max_in_flight > 0 and not self.cfg.is_ssl
        # Of the accepting thread alone, which begins and ends each.
        self._under_way = 0

    def enqueue_req(self, conn: Any) -> None:
        if self._is_bounded and self._under_way >= limit().now and not self._lets_in(conn):
            return
        self._under_way += 1
        conn.arrived = time.monotonic()
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        self._under_way -= 1
        super().finish_request(conn, fs)

    def handle_request(self, req: Any, conn: Any) -> Any:
        arrival.set(conn.arrived)
        if counts.is_draining:
            req.force_close()
        return super().handle_request(req, conn)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, call)
        timer.daemon = True
        timer.start()

    def _lets_in(self, conn: Any) -> bool:
        """Whether it is a probe; else it is refused, and where it is still to come, waited for."""
        try:
            data = conn.sock.recv(_READ_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._await_request(conn)
            return False
        except OSError:
            data = b""
        if requests.is_probe(data):
            return True
        with contextlib.suppress(OSError):
            if data:
                counts.shed += 1
                conn.sock.recv(_READ_BYTES, socket.MSG_DONTWAIT)
                conn.sock.send(refusals.OVERLOAD.written(closes=True), socket.MSG_DONTWAIT)
        self.nr_conns -= 1
        conn.close()
        return False

    def _await_request(self, conn: Any) -> None:
        """Let the poller tell when the request comes, as gunicorn does with a client that is slow to send it."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
