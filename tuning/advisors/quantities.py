"""Figures as a reader wants them, and names as SQL writes them."""

_STEPS = ((1024**4, "TB"), (1024**3, "GB"), (1024**2, "MB"), (1024, "kB"))


def size(size_bytes: float) -> str:
    """Bytes in the unit that PostgreSQL would use."""
    for step, unit in _STEPS:
        if abs(size_bytes) >= step:
            return f"{size_bytes / step:.1f} {unit}"
    return f"{size_bytes:.0f} B"


def age(seconds: float) -> str:
    """Seconds as days, hours, minutes or seconds."""
    for step, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * step:
            return f"{seconds / step:.0f} {unit}"
    return f"{seconds:.0f} s"


def shortened(text: str, most: int = 100) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 4]} ..."


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
