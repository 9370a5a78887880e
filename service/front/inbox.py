"""One epoll of a gevent worker, which says who of its clients has sent something.

Each time that a greenlet waits for its socket, gevent tries to read, asks the kernel to watch, and switches twice. Of a
refusal that was more than half. Here the kernel is asked once for each client, and whoever is called may answer it.

While the worker is full, what comes can only be refused, and gathers for a moment: one by one, each would wake hub and
client for itself.
"""

import select
from collections.abc import Callable

import gevent.monkey
from gevent import get_hub

from service.front.limit import Limit

# The real one: gevent's would ask its hub, and this never waits.
_epoll = gevent.monkey.get_original("select", "epoll")
_READ = 1
# All that have sent something, in each turn of the hub: the most that the kernel tells at a time. With 64 at a time a
# burst was answered no faster than it came, and the last of it after 0.3 s.
_MOST = 1_000
# A tenth of what a refusal may take: ours.
GATHER_S = 0.005
# Edge-triggered: a client is told of once for all that has come, and once when it hangs up.
_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_ENDS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
Called = Callable[[bool], None]


class Inbox:
    """Watches the sockets of one hub.

    Args:
        limit: Of the worker.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._epoll = _epoll()
        self._clients: dict[int, Called] = {}
        loop = get_hub().loop
        # Repeated: libev starts one that has ended with what was left of it, which is nothing.
        self._next = loop.timer(GATHER_S, GATHER_S)
        self._watcher = loop.io(self._epoll.fileno(), _READ)
        self._watcher.start(self._look)
        self._gathers = False

    def add(self, number: int, called: Called) -> None:
        """Call this in the hub when something has come on a socket; with True when its client hung up."""
        self._clients[number] = called
        self._epoll.register(number, _EVENTS)

    def remove(self, number: int) -> None:
        """Forget a socket that will be closed."""
        if self._clients.pop(number, None) is not None:
            self._epoll.unregister(number)

    def has_room(self) -> None:
        """A request has ended: whoever waits may be let in, so look at once."""
        if self._gathers:
            self._gathers = False
            self._next.stop()
            self._watcher.start(self._look)

    def _gather(self) -> None:
        if not self._gathers:
            self._gathers = True
            self._watcher.stop()
            self._next.again(self._look)

    def _look(self) -> None:
        """Runs in the hub."""
        for number, events in self._epoll.poll(0, _MOST):
            called = self._clients.get(number)
            if called is not None:
                called(bool(events & _ENDS))
        if self._limit.is_full():
            self._gather()
        else:
            self.has_room()
