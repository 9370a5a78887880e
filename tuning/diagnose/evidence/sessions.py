"""What the database's sessions did: how many were active on average, for what they waited, and who held them up."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuning.timeline import Sample

CPU = "CPU"
LOCK = "Lock"
CLIENT = "Client"
_IN_TRANSACTION = "idle in transaction"
# A flush of the write-ahead log, and what waits for the one that flushes. Names changed case between releases, so they
# are compared in lower case; CommitDelay is the wait that commit_delay asks for.
WAL_FLUSH = frozenset({"walsync", "walwrite", "wal_sync", "wal_write", "commitdelay", "commit_delay"})


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that others waited for and that waited for no lock itself; ``state`` is None where it was not seen."""

    pid: int
    waiting: float
    """Sessions that waited for it, on average over the whole time."""
    longest_xact_s: float
    user: str | None = None
    application: str | None = None
    state: str | None = None
    statement: str | None = None

    @property
    def told(self) -> str:
        """Who it is, as a sentence names it."""
        who = f"pid {self.pid}" + (f", user {self.user}" if self.user else "")
        who += f", application {self.application}" if self.application else ""
        return f"{who}, {self.state or 'not seen'}: {self.statement or 'its statement is not known'}"


@dataclass(frozen=True, slots=True)
class Sessions:
    samples: int
    waits: Mapping[str, float]
    """Average active sessions by ``type:event``, ``CPU`` for those that do not wait."""
    in_transaction: float
    """Sessions that are idle in a transaction, on average: their client keeps them."""
    by_statement: Mapping[str, float]
    """Average active sessions by the text of their statement."""
    blockers: tuple[Blocker, ...]
    """The one with most waiting first."""

    @property
    def active(self) -> float:
        return sum(self.waits.values())

    def waiting(self, kind: str) -> float:
        """Average active sessions that wait for this type of event."""
        return sum(value for name, value in self.waits.items() if name.partition(":")[0] == kind)

    @property
    def wal_flush(self) -> float:
        return sum(value for name, value in self.waits.items() if name.rpartition(":")[2].lower() in WAL_FLUSH)


def sessions(samples: Sequence[Sample], statements: Sequence[Sample]) -> Sessions | None:
    """Reduce ACTIVITY; None without a sample."""
    if not samples:
        return None
    texts = {sample.data["number"]: " ".join(str(sample.data["text"]).split()) for sample in statements}
    waits: defaultdict[str, float] = defaultdict(float)
    by_statement: defaultdict[str, float] = defaultdict(float)
    roots: defaultdict[int, float] = defaultdict(float)
    seen: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    in_transaction, each = 0.0, 1 / len(samples)
    # A sample may leave out who blocks whom, to spare the server: the others stand for it.
    asked = sum(sample.data.get("asked_blockers", True) for sample in samples)
    for sample in samples:
        rows = {row["pid"]: row for row in sample.data["sessions"]}
        for row in rows.values():
            if str(row.get("state", "")).startswith(_IN_TRANSACTION):
                in_transaction += each
            elif row.get("state") == "active":
                waits[_event(row)] += each
                by_statement[texts.get(row.get("statement"), "")] += each
        for pid, row in _roots(rows):
            roots[pid] += 1 / asked
            if row is not None:
                seen[pid].append(row)
    blockers = [_blocker(pid, value, seen[pid], texts) for pid, value in roots.items()]
    ordered = tuple(sorted(blockers, key=lambda blocker: -blocker.waiting))
    return Sessions(
        len(samples),
        dict(sorted(waits.items(), key=lambda each: -each[1])),
        in_transaction,
        dict(sorted(by_statement.items(), key=lambda each: -each[1])),
        ordered,
    )


def _blocker(pid: int, waiting: float, rows: Sequence[Mapping[str, Any]], texts: Mapping[int, str]) -> Blocker:
    """As it was most of the time while others waited for it."""
    states = Counter((row.get("state"), row.get("statement", -1)) for row in rows)
    state, number = states.most_common(1)[0][0] if states else (None, -1)
    row = rows[0] if rows else {}
    return Blocker(
        pid=pid,
        waiting=waiting,
        longest_xact_s=max((each.get("xact_s") or 0.0 for each in rows), default=0.0),
        user=row.get("user"),
        application=row.get("application"),
        state=state,
        statement=texts.get(number),
    )


def _event(row: Mapping[str, Any]) -> str:
    kind = row.get("wait_type")
    return f"{kind}:{row.get('wait_event')}" if kind else CPU


def _roots(rows: Mapping[int, dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """For each session that waits, the sessions at the end of the chain, once each; a circle has none."""
    for row in rows.values():
        ends: set[int] = set()
        passed, ahead = {row["pid"]}, list(row.get("blocked_by") or ())
        while ahead:
            pid = ahead.pop()
            if pid in passed:
                continue
            passed.add(pid)
            further = (rows[pid].get("blocked_by") or ()) if pid in rows else ()
            ahead += further
            if not further:
                ends.add(pid)
        for pid in ends:
            yield pid, rows.get(pid)
