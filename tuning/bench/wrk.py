"""Run wrk and read what it measured."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tuning.bench.pgbench import SCRIPTS
from tuning.stack.children import run
from tuning.stack.errors import StackError

TIMEOUT_S = 30
_RESULT = re.compile(r"^RESULT (\{.*\})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Hits:
    """``answered_per_s`` leaves out answers above 399; ``broken`` are connections that failed."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    non_2xx: int
    broken: int
    timeouts: int

    @property
    def answered_per_s(self) -> float:
        return (self.requests - self.non_2xx) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """What wrk asks for: one path again and again, or new orders where ``products`` are given.

    ``tokens`` is a file with an access token a line; a path is asked for with the first.
    """

    url: str
    path: str = "/healthz"
    tokens: Path | None = None
    products: tuple[int, int] | None = None


def measure(target: Target, *, connections: int, seconds: int, number: int) -> Hits:
    """Send requests over so many connections for so long; ``number`` is new for each measurement.

    Raises:
        StackError: wrk failed or reported nothing.
    """
    words = ["wrk", f"--threads={min(2, os.cpu_count() or 1)}", f"--connections={connections}"]
    words += [f"--duration={seconds}s", f"--timeout={TIMEOUT_S}s", f"--script={SCRIPTS / 'reserve.lua'}"]
    words += [f"{target.url}{target.path}", "--"]
    if target.products is None and target.tokens is not None:
        words += ["read", str(number), str(target.tokens)]
    elif target.products is None:
        words += ["empty", str(number)]
    else:
        words += ["reserve", str(number), str(target.tokens), *(str(product) for product in target.products)]
    return parse(run(words, doing="wrk"))


def parse(text: str) -> Hits:
    """Read the line that the script writes.

    Raises:
        StackError: There is none.
    """
    found = _RESULT.search(text)
    if found is None:
        raise StackError(f"wrk reported nothing:\n  {text.strip()[-2000:]}")
    return Hits(**json.loads(found[1]))
