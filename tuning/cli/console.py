"""How commands speak: results to standard output, progress and errors to standard error."""

import contextlib
import json
import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

# On a terminal a line is redrawn; in a log a line every few seconds is enough.
LOG_INTERVAL_S = 5.0


def fail(message: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed takes no last words
        err.print(f"hotrow: {message}", style="red", markup=False)


def print_json(value: Any) -> None:
    out.print(json.dumps(value, indent=2), markup=False)


class Progress:
    """Steps and figures while something long runs; use it as a context manager."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self._live = Live(console=err, transient=True) if err.is_terminal else None
        self._started = time.monotonic()
        self._last_figures = 0.0

    def __enter__(self) -> "Progress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError):  # the terminal was closed
                self._live.stop()

    def step(self, message: str) -> None:
        """Say what begins now."""
        line = f"[{time.monotonic() - self._started:5.1f} s] {self.prefix}{message}"
        err.print(line, markup=False)
        if self._live is not None:
            self._live.update(Spinner("dots", text=f"{self.prefix}{message}"))

    def figures(self, message: str) -> None:
        """Say how far it is, as often as a reader can use it."""
        if self._live is not None:
            self._live.update(Spinner("dots", text=f"{self.prefix}{message}"))
        elif time.monotonic() - self._last_figures >= LOG_INTERVAL_S:
            self._last_figures = time.monotonic()
            err.print(f"[{time.monotonic() - self._started:5.1f} s] {self.prefix}{message}", markup=False)
