"""What the loop needs of a source, and how a source says that it cannot be watched."""

from collections.abc import Iterator
from typing import Any, Protocol

# Longer than a server that is merely slow needs, short enough that a gap is seen as a gap.
ANSWER_TIMEOUT_S = 2.0

Seen = Iterator[tuple[str, dict[str, Any]]]
"""Samples: their kind and what belongs to it."""


class Unwatchable(Exception):
    """The source answers, and there is nothing that can be watched; the message says why."""


class Sampler(Protocol):
    """One source of samples; only its own thread calls it, but for ``interrupt``.

    ``open`` and ``sample`` raise OSError, psycopg.Error or Unwatchable.
    """

    name: str
    interval_s: float
    facts: dict[str, Any]
    """What does not change, once ``open`` has returned."""
    partly: str | None
    """What this source cannot see, a sentence, once ``open`` has returned."""

    def open(self) -> None: ...

    def sample(self, *, is_edge: bool) -> Seen:
        """Ask once; ``is_edge`` for the first time and the last."""
        ...

    def close(self) -> None: ...

    def interrupt(self) -> None:
        """Make a call that hangs fail; another thread calls this."""
        ...
