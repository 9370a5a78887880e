"""Which of the files that are given hold captured statements, and their lines, one file after the other."""

import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

_CAPTURED = re.compile(r'^\s*\{.*"sql"\s*:')
# Ours: files that findings name; a service has one for each process.
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Input:
    """One file; ``read`` begins at its first line, for a pipe once only."""

    name: str
    read: Callable[[], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Inputs:
    """``captured`` are the files of captured statements, which belong together; ``others`` stand for themselves."""

    captured: tuple[Input, ...]
    others: tuple[Input, ...]

    def calls(self) -> Iterator[str]:
        """The lines of all captured files; one of them is open at a time."""
        return chain.from_iterable(each.read() for each in self.captured)

    @property
    def captured_name(self) -> str:
        names = [each.name for each in self.captured]
        rest = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
        return ", ".join(names[:MOST_NAMED]) + rest


def sort_out(paths: Iterable[str]) -> Inputs:
    """Look at the beginning of each file, - for standard input.

    Raises:
        OSError: One cannot be read.
    """
    captured: list[Input] = []
    others: list[Input] = []
    for path in paths:
        found = lines(path)
        first = next((line for line in found if line.strip()), "")
        read: Callable[[], Iterator[str]] = partial(chain, [first], found)
        if path != "-" and Path(path).is_file():
            # A service of many processes has more files than a process may have open.
            found.close()
            read = partial(lines, path)
        is_captured = path.endswith(".jsonl") or _CAPTURED.match(first) is not None
        (captured if is_captured else others).append(Input("stdin" if path == "-" else path, read))
    return Inputs(tuple(captured), tuple(others))


def lines(path: str) -> Generator[str, None, None]:
    """The lines of a file as UTF-8; a byte that is none is kept as a mark."""
    if path == "-":
        yield from sys.stdin
        return
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        yield from file
