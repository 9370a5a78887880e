"""Read a duration as PostgreSQL writes it."""

import re

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_DURATION = re.compile(r"\s*'?(\d+(?:\.\d+)?)\s*([a-z]*)'?\s*")


def milliseconds(text: str) -> float:
    """``2s`` is 2000; a number alone is in milliseconds, as for every limit of a session; 0 for what is no duration."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _UNITS_MS.get(match[2] or "ms", 0.0) if match else 0.0
