"""What the front door of this process has counted; whoever shows metrics reads it here."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Totals since the process began, but for the first and the last.

    ``inside`` are requests that Django works on now. ``shed`` were refused because as many as may were
    inside, ``expired`` because their deadline had passed, at the door or later. ``abandoned`` were
    dropped because their client had hung up. ``is_draining`` is a worker that was told to stop.
    """

    inside: int = 0
    admitted: int = 0
    shed: int = 0
    expired: int = 0
    abandoned: int = 0
    is_draining: bool = False


counts = Counts()
"""Of this process. Threads may lose a count of a total, never one of ``inside``."""
