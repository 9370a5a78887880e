"""One load test as the rules see it: what the generator measured, and what was asked of it.

A rule names in ``NEEDS`` what it cannot do without, by the keys of ``MISSING``. What the servers told of themselves
meanwhile (waits, blockers, CPU) is ``evidence``, with needs of its own (``evidence.UNSEEN``); the limits conclude
from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tuning.diagnose import laws
from tuning.diagnose.evidence import Evidence
from tuning.diagnose.figures import LoadFigures, Moment, Request
from tuning.diagnose.population import user_seconds, user_seconds_seen

T = TypeVar("T")

# Below this many requests in the system for each slot, bursts explain a queue as well as a lack of slots does (ours).
SATURATED = 2.0
# Locust writes a row each second, and its clock of whole seconds and a short run leave some out (ours).
COVERED = 0.9

MISSING = {
    "slots": "the number of requests that the service takes at a time is not known: --slots, workers x threads",
    "users": "the number of users is not known: --users",
    "ramp": "it is not known how fast users were started: --spawn-rate, or the history file",
    "stated_seconds": "how long the test was meant to run is not known: --seconds",
    "seconds": "the length of the test is not known: --seconds",
    "weights": "the weights of the tasks are not known: --weights",
    "goal": "no response time is aimed at: --goal-s",
    "kinds": "there is one kind of request",
    "percentiles": "the file has no percentiles",
    "errors": "the messages of failed requests are not known: give the failures file too",
    "history": "there is no history of the whole run: give the stats_history file too",
}


@dataclass(frozen=True, slots=True)
class Stated:
    """What the file does not tell; None where nobody said it."""

    slots: int | None = None
    users: int | None = None
    spawn_rate_per_s: float | None = None
    seconds: float | None = None
    think_s: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    login: str | None = None
    other_s: float = 0.010
    """How long a request that is no login is taken to hold its slot."""
    goal_s: float | None = None
    is_reset: bool = False
    """The statistics begin when all users were there (Locust's --reset-stats)."""
    processes: int = 1
    """Of the load generator."""
    is_open: bool = False
    """Requests came at a rate of their own, not when users were ready."""


@dataclass(frozen=True, slots=True)
class Run:
    """The figures with what was stated; a property that needs what is missing raises ``ValueError``."""

    load: LoadFigures
    stated: Stated
    evidence: Evidence | None = None

    @property
    def seen(self) -> Evidence:
        """What the timeline showed; a run without one has none to ask for."""
        if self.evidence is None:
            raise ValueError("no timeline was given")
        return self.evidence

    def lacks(self, need: str) -> bool:
        """Whether something of ``MISSING`` is not there."""
        load, stated = self.load, self.stated
        has = {
            "slots": stated.slots is not None,
            "users": self._users is not None,
            "ramp": bool(self.history) or self.spawn_rate_per_s is not None or stated.is_reset,
            "stated_seconds": stated.seconds is not None and load.seconds is not None,
            "seconds": (load.seconds or stated.seconds) is not None,
            "weights": bool(stated.weights),
            "goal": stated.goal_s is not None,
            "kinds": len(load.requests) > 1,
            "percentiles": any(each.percentiles_s for each in (*load.requests, load.total)),
            "errors": load.failed is not None or load.total.failures == 0,
            "history": len(self.history) > 1,
        }
        return not has[need]

    @property
    def history(self) -> tuple[Moment, ...]:
        """The rows, if they go on to the end of the run: a history that was cut would tell of fewer users."""
        rows, seconds = self.load.history, self.load.seconds or self.stated.seconds
        return rows if rows and (seconds is None or rows[-1].at_s >= COVERED * seconds) else ()

    @property
    def slots(self) -> int:
        return _known(self.stated.slots, "slots")

    @property
    def users(self) -> int:
        return _known(self._users, "users")

    @property
    def spawn_rate_per_s(self) -> float | None:
        return self.stated.spawn_rate_per_s or self.load.spawn_rate_per_s

    @property
    def seconds(self) -> float:
        """As measured; as stated where the file does not tell."""
        return _known(self.load.seconds or self.stated.seconds, "seconds")

    @property
    def throughput_per_s(self) -> float:
        """As the file states it; the kit's own result leaves out what failed or came after the end."""
        return self.load.total.rate_per_s or self.load.total.count / self.seconds

    @property
    def drain_s(self) -> float:
        """How long answers were waited for after the time was up, at most: as long as the slowest took."""
        total = self.load.total
        return (total.max_s or total.mean_s) if self.load.is_drained else 0.0

    def answered_per_s(self, request: Request) -> float:
        """Answers a second over the time in which all of them came; for a drained run at least so many."""
        if self.load.is_drained:
            return request.count / (self.seconds + self.drain_s)
        return laws.flow_per_s(request.count / self.load.total.count, self.throughput_per_s)

    @property
    def in_system(self) -> float:
        """Requests in the system on average; for a drained run at least so many."""
        return laws.in_system(self.answered_per_s(self.load.total), self.load.total.mean_s)

    @property
    def service_at_most_s(self) -> float:
        return self.held_at_most_s(self.load.total)

    def held_at_most_s(self, request: Request) -> float:
        """The mean time for which one kind of request can have held its slot."""
        return min(laws.service_at_most_s(self.answered_per_s(request), self.slots), request.mean_s)

    @property
    def is_saturated(self) -> bool:
        """Whether requests waited for a slot for half of their response time or more."""
        return self.in_system >= SATURATED * self.slots

    @property
    def user_s(self) -> float:
        """The time that all users had between them; the most it can have been where the ramp is not known."""
        if self.history and not self.stated.is_reset:
            return user_seconds_seen(self.history, self.seconds)
        return user_seconds(self.users, None if self.stated.is_reset else self.spawn_rate_per_s, self.seconds)

    @property
    def ramp_s(self) -> float:
        """How long users were started within the figures; at least so long where a history ends before they all are."""
        if self.stated.is_reset:
            return 0.0
        if self.history:
            most = max(moment.users for moment in self.history)
            return next(moment.at_s for moment in self.history if moment.users == most)
        if self.spawn_rate_per_s is None:
            raise ValueError(MISSING["ramp"])
        return self.users / self.spawn_rate_per_s

    @property
    def users_at_end(self) -> float:
        """The users whose requests were under way when the test ended."""
        if self.history:
            return self.history[-1].users
        rate_per_s = self.spawn_rate_per_s
        return self.users if rate_per_s is None or self.stated.is_reset else min(self.users, rate_per_s * self.seconds)

    @property
    def _users(self) -> int | None:
        seen = max((moment.users for moment in self.history), default=None)
        return self.stated.users or self.load.users or seen or None


def _known(value: T | None, need: str) -> T:
    if value is None:
        raise ValueError(MISSING[need])
    return value
