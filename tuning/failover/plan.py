"""Decide what a failover does, and what it loses, before anything is done."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tuning.failover.facts import Facts, Replica

# A segment of the write-ahead log: a replica that is further behind keeps clients waiting while it catches up.
MAX_LAG_BYTES = 16 * 1024 * 1024
# A primary that sent something so short a time ago may live, whoever cannot reach it: an idle one is asked by the
# replica after half of wal_receiver_timeout (60 s), and answers. One that was killed closes the stream.
ALIVE_WITHIN_S = 35.0


class Step(StrEnum):
    """What is done, in this order; each may be done again."""

    HOLD = "hold"
    CUT = "cut"
    CATCH_UP = "catch up"
    PROMOTE = "promote"
    REPOINT = "repoint"
    RESUME = "resume"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Loss:
    """The most that is lost: what was committed after ``since``; ``size_bytes`` where the primary can be asked."""

    size_bytes: int | None
    since: datetime | None
    seconds: float | None

    @property
    def is_none(self) -> bool:
        return self.size_bytes == 0

    def __str__(self) -> str:
        if self.is_none:
            return "nothing is lost"
        if self.since is None:
            return "no transaction was replayed since the replica started: what was committed since then may be lost"
        return (
            f"what was committed after {self.since.isoformat()} may be lost, at most the last {self.seconds:.1f} s; "
            "how many bytes that are only the old primary knows"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """``steps`` is empty where nothing is left to do."""

    steps: tuple[Step, ...]
    loss: Loss
    lag_bytes: int | None
    lag_s: float | None


class Refused(ValueError):
    """The failover would lose more than it has to, or two servers would take writes."""


def decide(facts: Facts, *, is_switchover: bool) -> Plan:
    """Say which steps are left.

    Raises:
        Refused: None of them may be taken, with what to do instead.
    """
    if not facts.replica.is_in_recovery:
        return _rest(facts)
    if not facts.replica.may_promote:
        raise Refused(
            "this role may not promote the replica: use hotrow_monitor, or let a superuser run postgres/failover.sql"
        )
    if facts.old is None:
        raise Refused(f"PgBouncer goes to {facts.target} already, which is a replica: name the server that replaces it")
    if facts.primary is not None or facts.alive:
        return _switchover(facts, is_switchover=is_switchover)
    if is_switchover:
        raise Refused(
            f"{facts.old} does not answer ({facts.silence}), so it cannot be waited for: without --switchover the "
            "replica takes its place with what it has"
        )
    heard = facts.replica.heard
    if heard is not None and heard.total_seconds() < ALIVE_WITHIN_S:
        raise Refused(
            f"the replica heard from its primary {heard.total_seconds():.1f} s ago, though {facts.old} does not "
            f"answer here ({facts.silence}): it lives; stop it first, or run this where it answers with --switchover"
        )
    loss = unplanned_loss(facts.replica)
    behind = _behind(facts.replica, facts.replica.received)
    return Plan((Step.CUT, Step.PROMOTE, Step.REPOINT, Step.RESUME, Step.WRITE), loss, behind, loss.seconds)


def unplanned_loss(replica: Replica) -> Loss:
    """What a primary may have committed that this replica does not have."""
    since = replica.last_commit_at
    return Loss(None, since, None if since is None else (replica.asked_at - since).total_seconds())


def _switchover(facts: Facts, *, is_switchover: bool) -> Plan:
    if facts.primary is None:
        raise Refused(f"{facts.old} lives, but lets nobody in ({facts.silence}): give --primary with who may ask it")
    if facts.primary.system != facts.replica.system:
        raise Refused(f"{facts.target} is no replica of {facts.old}: their system identifiers differ")
    if facts.primary.is_in_recovery:
        raise Refused(f"{facts.old} is a replica too: promote the one that PgBouncer is to go to by hand")
    if not is_switchover:
        raise Refused(
            f"{facts.old} still answers: a failover would lose what it has and the replica has not; --switchover waits "
            "for that, or stop it first"
        )
    behind = _behind(facts.replica, facts.primary.flushed)
    if behind is None or facts.replica.heard is None:
        raise Refused(
            f"{facts.target} does not stream from its primary: mend that first (pg_stat_replication, its log)"
        )
    if behind > MAX_LAG_BYTES:
        raise Refused(
            f"the replica is {behind} bytes behind, and clients would wait: let it catch up to {MAX_LAG_BYTES}"
        )
    seconds = facts.replica.heard.total_seconds()
    steps = (Step.HOLD, Step.CATCH_UP, Step.PROMOTE, Step.REPOINT, Step.RESUME, Step.WRITE)
    return Plan(steps, Loss(0, None, 0.0), behind, seconds)


def _rest(facts: Facts) -> Plan:
    """What is left after a promotion."""
    loss = Loss(0, None, 0.0) if facts.primary is not None else unplanned_loss(facts.replica)
    if facts.old is None:
        paused = any(one.is_paused for one in facts.databases)
        return Plan((Step.RESUME, Step.WRITE) if paused else (), loss, None, None)
    if facts.primary is not None and facts.primary.system != facts.replica.system:
        raise Refused(f"{facts.target} was no replica of {facts.old}: their system identifiers differ")
    then, now = facts.primary and facts.primary.timeline, facts.replica.timeline
    if now is None or now <= (then or 1):
        raise Refused(f"{facts.target} takes writes and was never promoted: it is no replica of {facts.old}")
    if facts.primary is None and facts.alive:
        raise Refused(f"{facts.old} lives, but lets nobody in ({facts.silence}): give --primary with who may ask it")
    # Whoever promoted it: nothing more may be written where nobody will look.
    return Plan((Step.CUT, Step.REPOINT, Step.RESUME, Step.WRITE), loss, None, None)


def _behind(replica: Replica, of: int | None) -> int | None:
    return None if of is None or replica.replayed is None else max(0, of - replica.replayed)
