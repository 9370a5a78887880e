"""The time that users had between them, from what was asked of the generator or from its history."""

from collections.abc import Sequence

from tuning.diagnose.figures import Moment


def user_seconds(users: int, spawn_rate_per_s: float | None, seconds: float) -> float:
    """The area under the number of users; without a spawn rate all are there from the start, which is the most."""
    if spawn_rate_per_s is None:
        return users * seconds
    ramp_s = min(users / spawn_rate_per_s, seconds)
    return spawn_rate_per_s * ramp_s**2 / 2 + users * (seconds - ramp_s)


def user_seconds_seen(history: Sequence[Moment], seconds: float) -> float:
    """The same from a history: each row's users until the next row, the last one's until the end."""
    ends = [*(moment.at_s for moment in history[1:]), max(seconds, history[-1].at_s)]
    return sum(moment.users * (end - moment.at_s) for moment, end in zip(history, ends, strict=True))
