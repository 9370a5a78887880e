"""gunicorn's gevent worker behind the front door."""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.server import StreamServer
from gunicorn.workers import ggevent

from service.config.environment import environment
from service.front.counts import counts
from service.front.drain import Draining
from service.front.guard import Guard
from service.front.inbox import Inbox
from service.front.joined import Joined
from service.front.limit import limit
from service.front.turns import TURNS, Turns

# Of one turn of the hub: the other workers want some of them too.
MAX_ACCEPT = 16


class GeventWorker(Draining, ggevent.GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Refuses on the socket what a full worker would only keep waiting.

    A connection with TLS of gunicorn's own is read by nobody but the parser: the door behind it refuses.
    """

    drain_s = environment().drain_s
    each_turn = TURNS
    _turns: Turns | None = None
    _inbox: Inbox | None = None

    def server_class(self, listener: Any, *, spawn: Any, **rest: Any) -> StreamServer:
        """Make the server of one listener; gunicorn's own takes one connection in each turn of the hub."""
        server = StreamServer(
            listener,
            handle=partial(self.handle, listener),
            spawn=spawn,
            **{name: rest[name] for name in rest if name == "ssl_context"},
        )
        server.max_accept = MAX_ACCEPT
        return server

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        # One of each for the worker's hub, which is there from its first connection on.
        self._turns = self._turns or Turns(self.each_turn)
        if environment().max_in_flight and not isinstance(client, ssl.SSLSocket):
            self._inbox = self._inbox or Inbox(limit())
            client = Guard(client, limit(), self._turns, self._inbox, self.cfg.keepalive / 2)
        super().handle(listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        if self._turns is not None and not (isinstance(sock, Guard) and sock.has_turn):
            self._turns.take()
            self._turns.began()
        if counts.is_draining:
            req.force_close()
        joined = Joined(sock)
        try:
            return super().handle_request(listener_name, req, joined, addr)
        finally:
            joined.flush()
            if isinstance(sock, Guard):
                sock.ended()

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        gevent.spawn_later(seconds, call)
