"""The time that users had between them, from what was asked of the generator or from its history."""

from collections.abc import Sequence
from itertools import pairwise

from tuning.diagnose.figures import Moment


def user_seconds(users: int, spawn_rate_per_s: float | None, seconds: float) -> float:
    """The area under the number of users; without a spawn rate all are there from the start, which is the most."""
    if spawn_rate_per_s is None:
        return users * seconds
    ramp_s = min(users / spawn_rate_per_s, seconds)
    return spawn_rate_per_s * ramp_s**2 / 2 + users * (seconds - ramp_s)


def user_seconds_seen(history: Sequence[Moment], seconds: float) -> float:
    """The same from a history: straight lines between its rows, and the last one's users until the end."""
    between = sum((before.users + after.users) / 2 * (after.at_s - before.at_s) for before, after in pairwise(history))
    return between + history[-1].users * max(seconds - history[-1].at_s, 0.0)
