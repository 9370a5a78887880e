"""What was seen of a system while a load ran, on one clock: one JSON document a line.

The first line is the ``Header``; every other line is a sample of one ``kind``, ``t`` seconds after the start. What
could not be watched is a ``Source`` with the reason why, so that a reader can say what is missing. A source that fails
in the middle writes a ``lost`` line, and a sample of its kind again once it is back.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

FORMAT = "hotrow-timeline/1"

# Kinds of samples. Totals are counters since whenever the part started: readers take differences.
ACTIVITY = "activity"
"""``sessions``: a dict for each client backend that is not idle: ``pid``, ``user``, ``application``, ``state``,
``wait_type`` and ``wait_event`` (None while it is on a processor), ``xact_s``, ``query_s``, ``state_s``,
``blocked_by`` (pids), ``statement`` (a number, see STATEMENT). ``idle``: how many others there are.
``background``: dicts of ``type``, ``wait_type``, ``wait_event`` for the server's own processes that do not rest.
``hidden``: sessions of which the watcher may see nothing. ``asked_blockers``: where it is False, ``blocked_by`` and
LOCKS were left out of this one sample, because asking takes the server's time."""
STATEMENT = "statement"
"""``number`` and ``text``: said once, before the first sample that names it. ``query_id`` where the server has it."""
LOCKS = "locks"
"""``waits``: ``pid``, ``blocker``, ``lock`` (its kind), ``mode``, ``relation`` or None, ``waited_s``. Only where one
waits."""
DATABASE = "database"
"""``totals``: pg_stat_database's of this database, with ``wal_bytes``, ``wal_syncs`` and ``wal_sync_ms`` where they can
be read; ``tables``: ``name``, ``seq_scan``, ``seq_tup_read``, ``idx_scan``, ``n_tup_upd``, ``n_tup_hot_upd`` and
``rows``."""
STATEMENTS = "statements"
"""``rows``: pg_stat_statements at this moment: ``query_id``, ``text``, ``calls``, ``total_ms``, ``rows``,
``blocks``."""
POOLER = "pooler"
"""PgBouncer: ``pools`` (SHOW POOLS, times in s) with each one's ``pool_size``, and ``totals`` by database
(SHOW STATS_TOTALS, as it names them: times in us)."""
PROCESSES = "processes"
"""``groups``: by name, ``cpu_s`` (total, with what has ended), ``processes``, ``threads``, ``rss_bytes``, and
``most_cpu_s``, that of the process which has used most since it is watched. ``host``: ``cpu_s`` by ``user``,
``system``, ``iowait``, ``steal``, ``idle``, and ``cores``."""
SERVICE = "service"
"""The service's /metrics: ``values``, by sample name with its labels, as Prometheus writes them."""
REDIS = "redis"
"""``ping_ms``, ``ops``, ``cpu_s``, ``clients``, ``blocked``, ``used_bytes``, ``keyspace_hits``, ``keyspace_misses``."""
LOAD = "load"
"""The generator: ``users``, ``requests``, ``failures`` (totals)."""
LOST = "lost"
"""``source`` and ``reason``: it did not answer."""

KINDS = (ACTIVITY, STATEMENT, LOCKS, DATABASE, STATEMENTS, POOLER, PROCESSES, SERVICE, REDIS, LOAD, LOST)


class TimelineError(ValueError):
    """A file that is no timeline, or was cut; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that was to be watched; ``reason`` says why it was not, None where it was.

    With a reason and an interval it was watched in part, and the reason says what cannot be seen.
    """

    name: str
    reason: str | None = None
    interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """``started`` is in s since the epoch; ``facts`` is what does not change: versions, settings, pool sizes, cores."""

    started: float
    sources: tuple[Source, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    t: float
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Samples in the order of their times; ``notes`` says what the file lacks, a sentence each."""

    header: Header
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()

    def of(self, kind: str) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if sample.kind == kind)

    @property
    def seconds(self) -> float:
        """From the first sample to the last."""
        return self.samples[-1].t - self.samples[0].t if self.samples else 0.0


class Writer:
    """Writes a timeline line by line, so that what was seen before a crash is kept."""

    def __init__(self, file: TextIO, header: Header) -> None:
        self._file = file
        self._line({"format": FORMAT, **asdict(header)})

    def add(self, t: float, kind: str, data: dict[str, Any]) -> None:
        self._line({"t": round(t, 4), "kind": kind, **data})

    def _line(self, document: dict[str, Any]) -> None:
        self._file.write(json.dumps(document, separators=(",", ":")) + "\n")


def read(path: Path) -> Timeline:
    """Read a whole timeline. A last line that was cut, and a clock that went back, become notes.

    Raises:
        TimelineError: It is no timeline of this format, or a line in the middle is broken.
        OSError: It cannot be read.
    """
    lines = _documents(path)
    try:
        number, first = next(lines)
    except StopIteration:
        raise TimelineError(f"{path} is empty: `hotrow observe` writes timelines") from None
    if number != 1 or first.pop("format", None) != FORMAT:
        raise TimelineError(f"{path} is no timeline of the form {FORMAT}: `hotrow observe` writes them")
    try:
        header = Header(first["started"], tuple(Source(**source) for source in first["sources"]), first["facts"])
    except (KeyError, TypeError) as error:
        raise TimelineError(f"{path}: the first line lacks {error}") from error
    samples: list[Sample] = []
    notes: list[str] = []
    for number, document in lines:
        if document.get("cut"):
            notes.append(f"the last line ({number}) was cut: the watcher did not end by itself")
            continue
        try:
            samples.append(Sample(float(document.pop("t")), str(document.pop("kind")), document))
        except (KeyError, TypeError, ValueError) as error:
            raise TimelineError(f"{path}, line {number}: no sample: {error}") from error
    if any(late.t < early.t for early, late in pairwise(samples)):
        notes.append("the clock went back while it was written: samples are in the order of their times")
        samples.sort(key=lambda sample: sample.t)
    return Timeline(header, tuple(samples), tuple(notes))


def _documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                document = json.loads(line)
                if not isinstance(document, dict):
                    raise TypeError("an object is wanted")
            except (ValueError, TypeError) as error:
                if not line.endswith("\n") and number > 1:
                    yield number, {"cut": True}
                    return
                raise TimelineError(f"{path}, line {number} is broken: {error}") from error
            yield number, document
