"""A socket that answers for a full worker: the request is read and refused, and never parsed."""

import select
import time
from typing import Any

import gevent
import gevent.monkey

from service.front import refusals, requests
from service.front.counts import counts
from service.front.joined import send
from service.front.limit import Limit
from service.front.turns import LOOK_S, TURNS, Turns

# The real one: gevent's would ask its hub, and this never waits.
_poll = gevent.monkey.get_original("select", "poll")


# The largest body that is read to be refused, as Django's DATA_UPLOAD_MAX_MEMORY_SIZE.
MAX_BODY_BYTES = 64 * 1024


class Guard:
    """Stands in for one client's socket under a gevent worker; gunicorn reads its requests through it.

    At the start of a request the guard decides; in every other place it only hands on. Once it is not sure
    where a request starts, it leaves the rest of the connection to the door behind the parser.

    Args:
        client: gevent's socket.
        limit: As the door's.
        turns: Of the worker: what is let in waits for its own, and is looked at again.
        patience_s: For so long one connection is refused on; then it is closed, before gunicorn's
            keep-alive timeout would close it with a request on its way.
    """

    has_turn = False
    """Whether the request that was let in has begun already."""

    def __init__(self, client: Any, limit: Limit, turns: Turns, patience_s: float) -> None:
        self._client = client
        self._limit = limit
        self._turns = turns
        self._patience_s = patience_s
        self._hang_up = _poll()
        self._hang_up.register(client.fileno(), select.POLLRDHUP)
        self._missing: int | None = 0
        self._is_start = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def recv(self, size: int) -> bytes:
        """Receive what is let in, after refusing what is not; empty where the client is gone."""
        if not self._is_start:
            return self._rest(size)
        self._is_start = False
        closes_at = time.monotonic() + self._patience_s
        refused = 0
        while True:
            data = bytes(self._client.recv(size))
            now_s = time.monotonic()
            self._missing = missing = requests.missing(data)
            if missing is None or missing > MAX_BODY_BYTES:
                return data
            if requests.is_probe(data) or requests.has_answer_without_body(data):
                self.has_turn = True
                return data
            if not self._limit.is_full():
                self._turns.take()
            if not self._limit.is_full():
                if self._limit.is_half_full() and self._hang_up.poll(0):
                    counts.abandoned += 1
                    return b""
                self._turns.began()
                self.has_turn = True
                return data
            while self._missing:
                # A client that sends head and body apart; what is left unread would be taken for a request.
                if not self._rest(self._missing):
                    return b""
            counts.shed += 1
            closes = counts.is_draining or now_s > closes_at or requests.is_last(data)
            send(self._client, refusals.OVERLOAD.written(closes=closes))
            if closes:
                return b""
            refused += 1
            if refused % TURNS == 0:
                gevent.sleep(LOOK_S)

    def ended(self) -> None:
        """The request was answered; if all of it had come and nothing else, the next bytes begin another."""
        self._is_start = self._missing == 0
        self.has_turn = False

    def _rest(self, size: int) -> bytes:
        data = bytes(self._client.recv(size))
        if self._missing is not None:
            still = self._missing - len(data)
            self._missing = still if still >= 0 else None
        return data
