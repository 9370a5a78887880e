"""Read the facts of a failover, and take the steps of its plan.

A step that finds itself done does nothing, so that a run that was ended anywhere is finished by another.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg.conninfo import make_conninfo

from tuning.failover import pooler, servers
from tuning.failover.facts import Address, Facts, Primary
from tuning.failover.plan import Plan, Refused, Step
from tuning.failover.pooler import Console

CATCH_UP_TIMEOUT_S = 30.0
# PgBouncer tries a server that refused it again after server_login_retry, one second (pgbouncer.ini.template).
WRITE_TIMEOUT_S = 30.0
INTERVAL_S = 0.05
# A failure in one of these lets clients go on where they were.
_BEFORE = (Step.HOLD, Step.CUT, Step.CATCH_UP)
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. ``target`` is the replica's address as PgBouncer reaches it, ``config`` PgBouncer's file.

    ``primary`` is who may ask the old primary; None for the replica's role at the address that PgBouncer has.
    """

    replica: str
    pgbouncer: str
    config: Path
    target: Address
    primary: str | None = None
    is_switchover: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """``written_late`` counts transactions that ended on the old primary after the switch; None where it was not asked.

    ``last_commit_at`` is when the newest transaction that was saved was committed.
    """

    target: Address
    old: Address | None
    last_commit_at: datetime | None
    written_late: int | None
    held_s: float


def read(request: Request) -> Facts:
    """Ask replica, PgBouncer and, where it goes now, the primary.

    Raises:
        servers.Silent: The replica does not answer.
        psycopg.Error: PgBouncer does not answer.
        Refused: PgBouncer goes to several servers, or its file is not the one that was named.
    """
    replica = servers.read_replica(request.replica)
    databases = Console(request.pgbouncer).databases()
    if len(found := {one.address for one in databases} - {request.target}) > 1:
        listed = ", ".join(sorted(map(str, found)))
        raise Refused(f"PgBouncer goes to {listed}: a failover replaces one server, so lead the others elsewhere first")
    facts = Facts(replica, request.target, databases, None)
    pooler.repointed(request.config.read_text(), [one.name for one in databases], request.target)
    if facts.old is None:
        return facts
    try:
        primary = servers.read_primary(request.primary or servers.at(request.replica, facts.old))
    except servers.Silent as silence:
        return Facts(replica, request.target, databases, None, str(silence), alive=silence.lives)
    return Facts(replica, request.target, databases, primary)


class Failover:
    """One run of a plan."""

    def __init__(self, request: Request, facts: Facts, plan: Plan, report: Report) -> None:
        self._request = request
        self._facts = facts
        self._plan = plan
        self._report = report
        self._console = Console(request.pgbouncer)
        self._names = [one.name for one in facts.databases]
        self._left: Primary | None = None

    def run(self) -> Done:
        """Take the steps.

        Raises:
            TimeoutError: A step did not end in time.
            servers.Silent: A server that is needed does not answer.
            psycopg.Error: PgBouncer does not answer, or refused.
        """
        takes = {
            Step.HOLD: self._hold,
            Step.CUT: self._cut,
            Step.CATCH_UP: self._catch_up,
            Step.PROMOTE: self._promote,
            Step.REPOINT: self._repoint,
            Step.RESUME: self._resume,
            Step.WRITE: self._write,
        }
        began = resumed = time.monotonic()
        for step in self._plan.steps:
            try:
                takes[step]()
            except BaseException:
                # From the promotion on there may be two servers that take writes: clients stay held.
                if Step.PROMOTE in self._plan.steps and step in _BEFORE:
                    self._console.resume(self._names)
                raise
            if step is Step.RESUME:
                resumed = time.monotonic()
        after = servers.read_replica(self._request.replica)
        return Done(self._request.target, self._facts.old, after.last_commit_at, self._written_late(), resumed - began)

    def _hold(self) -> None:
        self._report("holding clients at PgBouncer until running transactions have ended")
        self._console.hold(self._names)

    def _cut(self) -> None:
        self._report("cutting the old primary off at PgBouncer")
        self._console.cut(self._names)

    def _catch_up(self) -> None:
        self._report("waiting until the replica has everything")
        deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
        while True:
            left = self._ask_primary()
            while (servers.read_replica(self._request.replica).replayed or 0) < (left.flushed or 0):
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"the replica did not catch up within {CATCH_UP_TIMEOUT_S:g} s, and clients go on"
                    )
                time.sleep(INTERVAL_S)
            # Whoever writes past PgBouncer is not held by it.
            self._left = self._ask_primary()
            if self._left.next_transaction == left.next_transaction:
                return
            if time.monotonic() > deadline:
                raise TimeoutError("somebody writes to the primary past PgBouncer: end that first; clients go on")

    def _promote(self) -> None:
        self._report(f"promoting {self._request.target}")
        servers.promote(self._request.replica)

    def _repoint(self) -> None:
        self._report(f"leading PgBouncer to {self._request.target}")
        text = self._request.config.read_text()
        pooler.replace(self._request.config, pooler.repointed(text, self._names, self._request.target))
        self._console.reload(self._names, self._request.target)

    def _resume(self) -> None:
        self._report("letting clients go on")
        self._console.resume(self._names)

    def _write(self) -> None:
        self._report("writing through PgBouncer")
        name = next(one.name for one in self._facts.databases)
        through = make_conninfo(self._request.pgbouncer, dbname=name)
        deadline = time.monotonic() + WRITE_TIMEOUT_S
        while True:
            try:
                servers.write(through)
            except servers.Silent as silence:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"nothing can be written through PgBouncer: {silence}; run this again"
                    ) from silence
                time.sleep(INTERVAL_S)
            else:
                return

    def _written_late(self) -> int | None:
        if self._left is None or self._left.next_transaction is None:
            return None
        try:
            now = self._ask_primary()
        except servers.Silent:
            return None
        return (now.next_transaction or self._left.next_transaction) - self._left.next_transaction

    def _ask_primary(self) -> Primary:
        assert self._facts.old is not None
        return servers.read_primary(self._request.primary or servers.at(self._request.replica, self._facts.old))
