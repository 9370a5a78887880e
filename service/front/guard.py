"""A socket that answers for a full worker: the request is read and refused, and never parsed."""

import os
import time
from typing import Any

from gevent.hub import Waiter

from service.front import refusals, requests
from service.front.counts import counts
from service.front.inbox import Inbox
from service.front.joined import send
from service.front.limit import Limit
from service.front.turns import Turns

# The largest body that is read to be refused, as Django's DATA_UPLOAD_MAX_MEMORY_SIZE.
MAX_BODY_BYTES = 64 * 1024


class Guard:
    """Stands in for one client's socket under a gevent worker; gunicorn reads its requests through it.

    At the start of a request the guard decides; in every other place it only hands on. Once it is not sure
    where a request starts, it leaves the rest of the connection to the door behind the parser. While the worker is
    full, the hub refuses what came whole, and the client's greenlet sleeps on.

    Args:
        client: gevent's socket.
        limit: As the door's.
        turns: Of the worker: what is let in waits for its own, and is looked at again.
        inbox: Of the worker.
        patience_s: For so long one connection is refused on; then it is closed, before gunicorn's
            keep-alive timeout would close it with a request on its way.
    """

    has_turn = False
    """Whether the request that was let in has begun already."""

    def __init__(self, client: Any, limit: Limit, turns: Turns, inbox: Inbox, patience_s: float) -> None:
        self._client = client
        self._number: int = client.fileno()
        self._limit = limit
        self._turns = turns
        self._inbox = inbox
        self._patience_s = patience_s
        self._closes_at = 0.0
        self._size = 0
        self._waiter: Waiter[bytes | None] | None = None
        self._has_come = True
        self._has_hung_up = False
        self._missing: int | None = 0
        self._is_start = True
        self._is_closed = False
        inbox.add(self._number, self._came)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        if not self._is_closed:
            # Once: the number may be another client's by now.
            self._is_closed = True
            self._inbox.remove(self._number)
        self._client.close()

    def recv(self, size: int) -> bytes:
        """Receive what is let in, after refusing what is not; empty where the client is gone."""
        if not self._is_start:
            return self._rest(size)
        self._is_start = False
        self._size = size
        self._closes_at = time.monotonic() + self._patience_s
        while True:
            data = self._next()
            self._missing = missing = requests.missing(data)
            if missing is None or missing > MAX_BODY_BYTES:
                return data
            if _is_always_let_in(data):
                self.has_turn = True
                return data
            if not self._limit.is_full():
                self._turns.take()
            if not self._limit.is_full():
                if self._limit.is_half_full() and self._has_hung_up:
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
            closes = self._is_last(data)
            send(self._client, refusals.OVERLOAD.written(closes=closes))
            if closes:
                return b""

    def ended(self) -> None:
        """The request was answered; if all of it had come and nothing else, the next bytes begin another."""
        self._is_start = self._missing == 0
        self.has_turn = False
        self._inbox.has_room()

    def _next(self) -> bytes:
        """The first bytes of a request that the hub did not refuse; empty where the client is gone."""
        while True:
            data = self._read() if self._has_come or self._has_hung_up else None
            if data is None:
                self._waiter = Waiter()
                try:
                    data = self._waiter.get()
                finally:
                    self._waiter = None
            if data is not None:
                return data

    def _came(self, has_hung_up: bool) -> None:
        """Runs in the hub: refuse what has come, or wake whoever waits for it."""
        self._has_hung_up |= has_hung_up
        self._has_come = True
        waiter = self._waiter
        if waiter is None:
            return
        data = self._read() if self._limit.is_full() else None
        if data is None:
            waiter.switch(None)
        elif self._has_hung_up or requests.missing(data) != 0 or _is_always_let_in(data) or self._is_last(data):
            # A client that hung up is told of once, so its end is read at once.
            waiter.switch(data)
        else:
            counts.shed += 1
            answer = refusals.OVERLOAD.written(closes=False)
            try:
                is_sent = os.write(self._number, answer) == len(answer)
            except OSError:
                is_sent = False
            if not is_sent:
                # It is gone, or asks on and on and reads nothing.
                waiter.switch(b"")

    def _read(self) -> bytes | None:
        """What has come; None if nothing has."""
        try:
            data = os.read(self._number, self._size)
        except BlockingIOError:
            self._has_come = False
            return None
        except OSError:
            return b""
        self._has_come = len(data) == self._size
        return data

    def _is_last(self, data: bytes) -> bool:
        """Whether the connection is closed after this request was refused."""
        return counts.is_draining or time.monotonic() > self._closes_at or requests.is_last(data)

    def _rest(self, size: int) -> bytes:
        data = bytes(self._client.recv(size))
        if self._missing is not None:
            still = self._missing - len(data)
            self._missing = still if still >= 0 else None
        return data


def _is_always_let_in(data: bytes) -> bool:
    return requests.is_probe(data) or requests.has_answer_without_body(data)
