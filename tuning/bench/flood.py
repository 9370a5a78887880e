"""A flood of requests at a fixed rate from one process: ``python -m tuning.bench.flood``, a plan on its standard input.

Each request is due at its time, whatever became of those before it, and is timed from then. It goes out
over a connection that is free, or over a new one. A client waits for ``PATIENCE_S`` and hangs up. One
loop over epoll with requests made beforehand costs about 25 us a request, so that the machine is left to the server.
"""

import gc
import http
import json
import os
import resource
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

# As long as somebody looks at a page that does not come.
PATIENCE_S = 2.0
# Beyond this a client finds no connection, as behind a proxy; the service takes as many.
MAX_CONNECTIONS = 1_500
# Nothing to do for so long: look whether somebody has lost patience.
_TICK_S = 0.02
_OPEN = http.HTTPStatus.OK, http.HTTPStatus.BAD_REQUEST
_CLOSES = b"onnection: close"
_LENGTH = b"ontent-Length: "
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Phase:
    """``per_s`` is the rate; 0 lets each of ``callers`` ask again when it has its answer."""

    per_s: float
    seconds: float
    callers: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: of ten requests ``reads`` read the list of products, the others reserve one unit of one."""

    port: int
    phases: Sequence[Phase]
    tokens: Sequence[str]
    product: int
    run: str
    reads: int = 2
    host: str = "127.0.0.1"
    core: int | None = None
    """The processor core that this process stays on."""


@dataclass(slots=True)
class Heard:
    """What came of one phase: (due, latency) in seconds of what succeeded, and of what was refused with 503.

    ``start`` is on the same clock as ``due``; ``lost`` is when those were due that nobody answered in time.
    """

    good: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    failed: int = 0
    start: float = 0.0
    cpu_s: float = 0.0
    lag_s: float = 0.0
    """How late a request was sent at the most: more than a few milliseconds, and this process was the bound."""


class _Caller:
    """A connection; ``due`` is when its request was to be sent."""

    __slots__ = ("data", "due", "heard", "is_fresh", "is_open", "sock", "text")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.due = 0.0
        self.data = b""
        self.text = b""
        self.heard = Heard()
        self.is_fresh = True
        self.is_open = True


class Flood:
    """Runs the phases of a plan, one right after the other, over the same connections."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._epoll = select.epoll()
        self._callers: dict[int, _Caller] = {}
        self._idle: list[_Caller] = []
        self._asked: deque[tuple[float, _Caller]] = deque()
        self._requests = _requests(plan)
        self._is_closed = False

    def run(self) -> list[Heard]:
        found = []
        for phase in self._plan.phases:
            heard = Heard()
            cpu_s = time.process_time()
            heard.start = time.perf_counter()
            self._run(phase, heard)
            heard.cpu_s = time.process_time() - cpu_s
            found.append(heard)
        self._finish()
        return found

    def _run(self, phase: Phase, heard: Heard) -> None:
        start = time.perf_counter()
        end = start + phase.seconds
        self._is_closed = phase.callers > 0
        for _ in range(phase.callers):
            self._ask(start, start, heard)
        number = 0
        while (now := time.perf_counter()) < end:
            while phase.per_s and (due := start + number / phase.per_s) <= now:
                heard.lag_s = max(heard.lag_s, now - due)
                self._ask(due, now, heard)
                number += 1
            next_s = start + number / phase.per_s - time.perf_counter() if phase.per_s else _TICK_S
            self._hear(min(_TICK_S, max(0.0, next_s)))
        self._is_closed = False

    def _finish(self) -> None:
        """Wait for what is under way, as long as its clients do."""
        while self._asked:
            self._hear(_TICK_S)

    def _hear(self, wait_s: float) -> None:
        for number, event in self._epoll.poll(wait_s):
            caller = self._callers.get(number)
            if caller is None:
                continue
            if event & select.EPOLLOUT and not event & (select.EPOLLERR | select.EPOLLHUP):
                self._epoll.modify(number, select.EPOLLIN)
                caller.sock.send(caller.text)
            else:
                self._take(caller)
        late = time.perf_counter() - PATIENCE_S
        while self._asked and self._asked[0][0] < late:
            due, caller = self._asked.popleft()
            if caller.is_open and caller.due == due:
                caller.heard.lost.append(due)
                self._close(caller)
        # What was answered long ago is only dropped from the front.
        while self._asked and self._asked[0][1].due != self._asked[0][0]:
            self._asked.popleft()

    def _ask(self, due: float, now: float, heard: Heard) -> None:
        text = next(self._requests)
        while self._idle:
            caller = self._idle.pop()
            if caller.is_open:
                break
        else:
            if len(self._callers) >= MAX_CONNECTIONS:
                heard.lost.append(due)
                return
            caller = self._connect()
        caller.due, caller.heard, caller.text, caller.data = due, heard, text, b""
        self._asked.append((due, caller))
        if not caller.is_fresh:
            try:
                caller.sock.send(text)
            except OSError:
                self._again(caller)

    def _connect(self) -> _Caller:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex((self._plan.host, self._plan.port))
        caller = _Caller(sock)
        self._callers[sock.fileno()] = caller
        self._epoll.register(sock.fileno(), select.EPOLLOUT)
        return caller

    def _take(self, caller: _Caller) -> None:
        try:
            data = caller.sock.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._again(caller)
            return
        caller.data = data = caller.data + data if caller.data else data
        head = data.find(_END)
        if head < 0:
            return
        at = data.find(_LENGTH, 0, head)
        length = int(data[at + len(_LENGTH) : data.find(b"\r", at)])
        if len(data) < head + len(_END) + length:
            return
        self._count(caller, int(data[9:12]))
        caller.due, caller.data, caller.is_fresh = -1.0, b"", False
        if data.find(_CLOSES, 0, head) >= 0:
            self._close(caller)
        else:
            self._idle.append(caller)
        if self._is_closed:
            now = time.perf_counter()
            self._ask(now, now, caller.heard)

    def _count(self, caller: _Caller, status: int) -> None:
        heard, latency_s = caller.heard, time.perf_counter() - caller.due
        if _OPEN[0] <= status < _OPEN[1]:
            heard.good.append((caller.due, latency_s))
        elif status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            heard.refused.append((caller.due, latency_s))
        else:
            heard.failed += 1

    def _again(self, caller: _Caller) -> None:
        """Ask once more over a new connection where the server closed one that was kept alive; else it is lost."""
        was_kept, due, heard, text = not caller.is_fresh, caller.due, caller.heard, caller.text
        self._close(caller)
        if due < 0:
            return
        if not was_kept:
            heard.lost.append(due)
            return
        other = self._connect()
        other.due, other.heard, other.text = due, heard, text
        self._asked.append((due, other))

    def _close(self, caller: _Caller) -> None:
        del self._callers[caller.sock.fileno()]
        caller.sock.close()
        caller.is_open, caller.due = False, -1.0


def _requests(plan: Plan) -> Iterator[bytes]:
    body = json.dumps({"lines": [{"product_id": plan.product, "quantity": 1}]}).encode()
    heads = [
        f"Host: {plan.host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n".encode()
        for token in plan.tokens
    ]
    read = b"GET /api/products HTTP/1.1\r\n"
    number = 0
    while True:
        number += 1
        head = heads[number % len(heads)]
        if number % 10 < plan.reads:
            yield b"%s%s\r\n" % (read, head)
        else:
            yield b"POST /api/reservations HTTP/1.1\r\n%sIdempotency-Key: %s-%d\r\nContent-Length: %d\r\n\r\n%s" % (
                head,
                plan.run.encode(),
                number,
                len(body),
                body,
            )


def main() -> None:
    """Read a plan, run it, and write what was heard of each phase."""
    given = json.load(sys.stdin)
    plan = Plan(**{**given, "phases": [Phase(**phase) for phase in given["phases"]]})
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    gc.disable()
    json.dump([asdict(heard) for heard in Flood(plan).run()], sys.stdout)


if __name__ == "__main__":
    main()
