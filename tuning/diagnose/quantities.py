"""Figures as a sentence has them: three digits, and the unit that suits their size."""


def number(value: float) -> str:
    """Three digits, and whole numbers from 100 on: 0.45, 41.2, 1,000."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def time(seconds: float) -> str:
    """218 ms, 16.5 s."""
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(seconds * 1000)} ms"


def rate(per_s: float) -> str:
    return f"{number(per_s)} req/s"


def share(part: float) -> str:
    """A part of one as a percentage: 98.7 %."""
    return f"{number(part * 100)} %"
