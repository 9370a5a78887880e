"""How Locust rounds response times before it takes percentiles (``bucket_response_time`` of locust/stats.py, 2.47)."""

# From so many ms on, a time is kept to so many; the steps grow no further, so a minute is still kept to a second.
_STEPS_MS = ((10_000, 1_000), (1_000, 100), (100, 10), (0, 1))


def width_s(seconds: float) -> float:
    """The distance of neighbouring buckets at this time."""
    return next(width for least, width in _STEPS_MS if seconds * 1000 >= least) / 1000


def is_bucket(seconds: float) -> bool:
    """Whether a time can be a percentile of Locust's."""
    steps = seconds / width_s(seconds)
    return abs(steps - round(steps)) < 1e-6
