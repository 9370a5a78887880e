"""A Redis of a test's own, that may be killed, stopped and started again on the same port."""

import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import redis

from tuning.stack import binaries
from tuning.stack import redis as redis_server
from tuning.stack.accounts import server_account
from tuning.stack.children import Child
from tuning.stack.ports import HOST, free_port

PASSWORD = "password-of-a-test"
PATIENCE_S = 5.0


class CacheServer:
    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@{HOST}:{self.port}/0"
        self._child: Child | None = None
        self._directory = Path(tempfile.mkdtemp(dir=os.environ["HOTROW_STATE_DIR"]))
        self._directory.chmod(0o711)

    def start(self) -> None:
        program = binaries.find("redis-server")
        assert program is not None
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        log = self._directory / "log"
        self._child = redis_server.start(program, data, log, server_account(), port=self.port, password=PASSWORD)

    def signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        os.kill(self._child.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        if self._child is not None:
            # A stopped process would not hear that it is to end.
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGCONT)
            self._child.stop()
            self._child = None

    def client(self, timeout_s: float = PATIENCE_S) -> Any:
        """A client as django-redis makes it: over a pool, so that redis-py tries nothing twice."""
        limits = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        return redis.Redis(connection_pool=redis.ConnectionPool.from_url(self.url, **limits))

    def answers(self, timeout_s: float = PATIENCE_S) -> Any:
        """What a process has that speaks to this Redis; the service's own timeout is shorter."""
        from service.cache.answers import Answers
        from service.cache.entry import Seal
        from service.cache.memory import MemoryStore
        from service.cache.redis import RedisStore
        from service.cache.shared import Shared

        return Answers(MemoryStore(), Shared(RedisStore(self.client(timeout_s), Seal(b"secret"))))
