"""A socket that answers for a full worker: the request is read and refused, and never parsed."""

import select
import time
from typing import Any

import gevent
import gevent.monkey

from service.front import refusals, requests
from service.front.counts import counts
from service.front.limit import Limit

# The real one: gevent's would ask its hub, and this never waits.
_poll = gevent.monkey.get_original("select", "poll")


class Guard:
    """Stands in for one client's socket under a gevent worker; gunicorn reads its requests through it.

    At the start of a request that has come whole, the guard decides; in every other place it only hands
    on, and the door behind the parser decides.

    Args:
        client: gevent's socket.
        limit: As the door's.
        patience_s: For so long one connection is refused on; then it is closed, before gunicorn's
            keep-alive timeout would close it with a request on its way.
    """

    def __init__(self, client: Any, limit: Limit, patience_s: float) -> None:
        self._client = client
        self._limit = limit
        self._patience_s = patience_s
        self._hang_up = _poll()
        self._hang_up.register(client.fileno(), select.POLLRDHUP)
        self._is_whole = True
        self._is_start = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def recv(self, size: int) -> bytes:
        """Receive what is let in, after refusing what is not; empty where the client is gone."""
        if not self._is_start:
            self._is_whole = False
            return bytes(self._client.recv(size))
        self._is_start = False
        closes_at = time.monotonic() + self._patience_s
        while True:
            # A client that asks again at once must not keep the hub from the others.
            gevent.sleep(0)
            data = bytes(self._client.recv(size))
            self._is_whole = requests.is_whole(data)
            if not self._is_whole or requests.is_probe(data):
                return data
            if self._hang_up.poll(0):
                counts.abandoned += 1
                return b""
            if not self._limit.is_full():
                return data
            counts.shed += 1
            closes = counts.is_draining or time.monotonic() > closes_at
            self._client.sendall(refusals.OVERLOAD.written(closes=closes))
            if closes:
                return b""

    def ended(self) -> None:
        """The request was answered; if it had come whole, the next bytes begin another."""
        self._is_start = self._is_whole
