"""A stack with a replica that is read, and ways to hold it up, freeze it, and see who answered."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tuning.stack import postgres
from tuning.stack.stack import Stack

PATIENCE_S = 20.0

# What the service reads for its clients, and not how far a server is.
_READS = (
    "SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements AS s JOIN pg_roles AS r ON r.oid = s.userid"
    " WHERE r.rolname = 'hotrow_app' AND s.toplevel AND s.query ~ 'stock_availability_v1'"
)


class ReadReplica:
    """The replica of a stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        port = conninfo_to_dict(stack.conninfo("app", "replica"))["port"]
        self._superuser = make_conninfo(stack.superuser, port=port, dbname=postgres.DATABASE)

    def execute(self, *statements: str) -> object:
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return (cursor.fetchone() or (None,))[0] if cursor.description else None

    def delay(self, delay_s: float) -> None:
        """Replay commits so late."""
        self.execute(f"ALTER SYSTEM SET recovery_min_apply_delay = '{delay_s}s'", "SELECT pg_reload_conf()")

    def reads(self) -> int:
        """How many reads it has answered since it was started."""
        found = self.execute(_READS)
        assert isinstance(found, int)
        return found

    def reads_of_primary(self) -> int:
        with psycopg.connect(self._stack.superuser, dbname=postgres.DATABASE) as primary:
            (found,) = primary.execute(_READS).fetchone() or (0,)
        return int(found)

    def await_reads(self, timeout_s: float) -> float:
        """Wait until it answers reads; how long that took."""
        began, before = time.monotonic(), self.reads()
        eventually(lambda: self.reads() > before + 3, timeout_s, "the replica is read")
        return time.monotonic() - began

    def await_silence(self, timeout_s: float) -> float:
        """Wait until it answers none for a while; how long that took."""
        began = time.monotonic()

        def is_silent() -> bool:
            before = self.reads()
            time.sleep(0.3)
            return self.reads() == before

        eventually(is_silent, timeout_s, "the replica is not read")
        return time.monotonic() - began

    def await_caught_up(self) -> None:
        with psycopg.connect(self._stack.superuser, autocommit=True) as primary:
            (target,) = primary.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ("",)
        eventually(
            lambda: bool(self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{target}'")), PATIENCE_S, "it has caught up"
        )

    def sessions(self) -> int:
        found = self.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'hotrow_app'")
        assert isinstance(found, int)
        return found

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all of its processes: it takes connections and never answers."""
        (pid,) = [part.pid for part in self._stack.parts if part.name == "replica"]
        os.kill(pid, signal.SIGSTOP)
        stopped = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        try:
            for each in stopped:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGSTOP)
            yield
        finally:
            for each in stopped:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)


def eventually(is_so: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)
