"""Redis: how soon it answers a PING, and its INFO."""

import socket
import ssl
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from tuning.observe.sampling.source import ANSWER_TIMEOUT_S, Seen, Unwatchable
from tuning.timeline import REDIS

NAME = "redis"
PORT = 6379
# INFO has some 5 kB; whoever sends more without an end is no Redis.
MAX_BYTES = 2**20


class Redis:
    """Speaks the few words of its protocol that are needed (RESP 2), so the tools need no client library."""

    name = NAME

    def __init__(self, url: str, interval_s: float) -> None:
        self.interval_s = interval_s
        self.facts: dict[str, Any] = {}
        self.partly: str | None = None
        self._url = url
        self._socket: socket.socket | None = None
        self._buffer = b""

    def open(self) -> None:
        parts = urlsplit(self._url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise Unwatchable("the address of Redis is no redis:// or rediss:// URL")
        self._buffer = b""
        connection = socket.create_connection((parts.hostname, parts.port or PORT), timeout=ANSWER_TIMEOUT_S)
        if parts.scheme == "rediss":
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
        self._socket = connection
        if parts.password:
            user = [unquote(parts.username)] if parts.username else []
            self._ask("AUTH", *user, unquote(parts.password))
        self.facts = {"redis": {"version": self._info().get("redis_version")}}

    def sample(self, *, is_edge: bool) -> Seen:
        started = time.perf_counter()
        self._ask("PING")
        ping_ms = (time.perf_counter() - started) * 1000
        info = self._info()
        yield (
            REDIS,
            {
                "ping_ms": round(ping_ms, 3),
                "ops": int(info["total_commands_processed"]),
                "cpu_s": round(float(info["used_cpu_sys"]) + float(info["used_cpu_user"]), 3),
                "clients": int(info["connected_clients"]),
                "blocked": int(info["blocked_clients"]),
                "used_bytes": int(info["used_memory"]),
                "keyspace_hits": int(info["keyspace_hits"]),
                "keyspace_misses": int(info["keyspace_misses"]),
                "evicted": int(info["evicted_keys"]),
            },
        )

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def interrupt(self) -> None:
        """The socket has a limit of its own."""

    def _info(self) -> dict[str, str]:
        lines = self._ask("INFO").decode(errors="replace").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _ask(self, *words: str) -> bytes:
        connection = self._socket
        if connection is None:
            raise ConnectionError("there is no connection")
        raw = [word.encode() for word in words]
        connection.sendall(b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw))
        head = self._until_line()
        if head.startswith(b"-"):
            raise Unwatchable(f"Redis refuses {words[0]}: {head[1:].decode(errors='replace')}")
        if head.startswith(b"+"):
            return head[1:]
        if head.startswith(b"$"):
            return self._exactly(int(head[1:]))
        raise ConnectionError("what answers there is no Redis")

    def _until_line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size + 2:
            self._receive()
        body, self._buffer = self._buffer[:size], self._buffer[size + 2 :]
        return body

    def _receive(self) -> None:
        assert self._socket is not None
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionError("Redis closed the connection")
        self._buffer += received
        if len(self._buffer) > MAX_BYTES:
            raise ConnectionError("what answers there is no Redis")
