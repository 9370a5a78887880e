"""The lane: requests that arrive while a batch is in the database form the next batch.

There is no thread of its own and no timer. A request that finds the lane idle goes at once, as a
batch of one. The others wait; when a batch comes back, its caller wakes one of them, and that one
takes all that wait and goes. So the lane adds nothing at low load, and at high load the batches
grow by themselves. It works under gevent and with threads; a sync worker has nothing to batch.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.front import deadline
from service.stock.errors import Busy
from service.stock.strategies import Request, Result

Send = Callable[[Sequence[Request]], list[Result]]
"""Sends a batch, in which no user's key comes twice, and returns a result for each request."""


@dataclass(eq=False, slots=True)
class _Ticket:
    request: Request
    ends: float
    woken: threading.Event = field(default_factory=threading.Event)
    result: Result | None = None
    error: BaseException | None = None
    leads: bool = False

    @property
    def is_answered(self) -> bool:
        return self.result is not None or self.error is not None


class Lane:
    """Coalesces the calls of one process.

    Args:
        send: Sends a batch to the database; called by one waiting caller for all.
        in_flight: Batches under way at a time; two overlap writing rows with waiting for a commit.
        batch_size: Requests in one batch at the most.
        waiting: Requests that may wait; beyond them callers are refused at once.
        patience_s: How long a request may wait for its batch to begin, if its deadline is not sooner.
    """

    def __init__(
        self, send: Send, *, in_flight: int = 1, batch_size: int = 1_000, waiting: int = 5_000, patience_s: float = 5.0
    ) -> None:
        self._send = send
        self._free = in_flight
        self._batch_size = batch_size
        self._max_waiting = waiting
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket] = deque()

    @property
    def waiting(self) -> int:
        """Requests that wait for a batch at the moment."""
        return len(self._waiting)

    def reserve(self, request: Request) -> Result:
        """Send the request with the next batch and return its own result.

        Raises:
            Busy: Too many wait already, or the wait was longer than the caller's patience; the
                request was not sent.
            DeadlinePassed: The same for the request's deadline. Of what was sent the outcome is told.
        """
        ticket = _Ticket(request, deadline.current())
        with self._lock:
            if len(self._waiting) >= self._max_waiting:
                raise Busy("Too many reservations wait already.")
            self._waiting.append(ticket)
            ticket.leads = self._free > 0
            self._free -= ticket.leads
        patient_until = min(time.monotonic() + self._patience_s, ticket.ends)
        while not ticket.is_answered:
            if ticket.leads:
                ticket.leads = False
                self._lead()
            elif not ticket.woken.wait(max(0.0, patient_until - time.monotonic())):
                self._give_up(ticket)
            ticket.woken.clear()
        if ticket.leads:
            # Chosen to lead and answered by another batch at the same moment: the lead goes on.
            self._pass_on()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.result is not None
        return ticket.result

    def _lead(self) -> None:
        """Send all that wait, answer each, and pass the lead on."""
        # Whoever is ready to ask gets in first; with nobody there this takes 10 us.
        time.sleep(0)
        batch = self._take()
        try:
            if batch:
                for ticket, result in zip(batch, self._send([ticket.request for ticket in batch]), strict=True):
                    ticket.result = result
        except BaseException as error:
            for ticket in batch:
                ticket.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._pass_on()
            for ticket in batch:
                ticket.woken.set()

    def _take(self) -> list[_Ticket]:
        """The next batch. A key that comes twice waits for the answer to the first; who is too late is left out."""
        batch: list[_Ticket] = []
        left: list[_Ticket] = []
        keys: set[tuple[int, str]] = set()
        with self._lock:
            while self._waiting and len(batch) < self._batch_size:
                ticket = self._waiting.popleft()
                if (error := _too_late(ticket)) is not None:
                    ticket.error = error
                    ticket.woken.set()
                    continue
                key = (ticket.request.user_id, ticket.request.key)
                (left if key in keys else batch).append(ticket)
                keys.add(key)
            self._waiting.extendleft(reversed(left))
        return batch

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                heir = self._waiting[0]
                # A ticket that leads already leaves this place to whoever comes next.
                if not heir.leads:
                    heir.leads = True
                    heir.woken.set()
                    return
            self._free += 1

    def _give_up(self, ticket: _Ticket) -> None:
        """Take the request back if no batch has taken it; else its answer is on its way."""
        with self._lock:
            if ticket in self._waiting and not ticket.leads:
                self._waiting.remove(ticket)
                ticket.error = _too_late(ticket) or Busy("The reservation waited too long for its turn.")
                return
        ticket.woken.wait()


def _too_late(ticket: _Ticket) -> deadline.DeadlinePassed | None:
    try:
        deadline.check(ticket.ends)
    except deadline.DeadlinePassed as error:
        return error
    return None
