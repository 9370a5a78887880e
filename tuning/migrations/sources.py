"""Where scripts come from: files, directories and standard input, each with the path that findings name."""

import sys
from dataclasses import dataclass
from pathlib import Path

STDIN = "-"
_NO_MIGRATION = {"__init__.py"}


class Unreadable(ValueError):
    """What was given cannot be judged; the message says what to give instead."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Texts by path: SQL scripts, and migrations in Python whose SQL is not known from their text."""

    sql: tuple[tuple[str, str], ...] = ()
    python: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Sources") -> "Sources":
        return Sources(self.sql + other.sql, self.python + other.python, self.notes + other.notes)


def read(given: list[str]) -> Sources:
    """Read each path: a file, a directory to look through, or ``-`` for standard input.

    Raises:
        Unreadable: There is no such path, it is no text, or a directory holds nothing to judge.
    """
    found = Sources()
    for path in given:
        found += Sources(sql=(("stdin", sys.stdin.read()),)) if path == STDIN else _path(Path(path))
    return found


def _path(path: Path) -> Sources:
    if not path.exists():
        raise Unreadable(
            f"{path} does not exist: give .sql files, migrations/*.py, directories of them, or - for stdin"
        )
    if path.is_file():
        return _files([path])
    files = sorted(file for file in path.rglob("*.sql") if file.is_file())
    files += sorted(
        file for file in path.rglob("*.py") if file.parent.name == "migrations" and file.name not in _NO_MIGRATION
    )
    if not files:
        raise Unreadable(f"{path} holds no .sql file and no migrations/*.py")
    return _files(files)


def _files(files: list[Path]) -> Sources:
    sql: list[tuple[str, str]] = []
    python: list[tuple[str, str]] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable(f"{file} is no text in UTF-8: {error.reason} at byte {error.start}") from error
        (python if file.suffix == ".py" else sql).append((str(file), text))
    return Sources(tuple(sql), tuple(python))
