"""A file as text, and the numbers in it, or one sentence that says what is wrong with it."""

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Larger than any result of Locust; it keeps a device or a log from being read whole.
MAX_BYTES = 64 * 2**20
# No load test comes near: beyond them stands a slip of the keyboard, or a spreadsheet's idea of a date.
MAX_NUMBER = 1e12
LEAST_NUMBER = 1e-6
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d{1,3})?", re.IGNORECASE)
_LOCALE = re.compile(r"-?\d[\d.,'\s]*\d")
_ABSENT = ("", "N/A")


class Unreadable(ValueError):
    """A file holds no figures that can be judged."""


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    text: str

    @classmethod
    def decode(cls, name: str, content: bytes) -> "Document":
        """Read UTF-8, with or without a mark of its byte order.

        Raises:
            Unreadable: It is empty, too large or no text.
        """
        if len(content) > MAX_BYTES:
            raise Unreadable(f"{name} is larger than {MAX_BYTES >> 20} MiB: no result of a load test is")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unreadable(f"{name} is no UTF-8 text") from error
        if not text.strip():
            raise Unreadable(f"{name} is empty: the load test wrote nothing, or has not ended")
        return cls(name, text)

    @classmethod
    def open(cls, path: Path) -> "Document":
        """Read a file.

        Raises:
            OSError: It cannot be opened.
            Unreadable: See :meth:`decode`.
        """
        with path.open("rb") as file:
            return cls.decode(path.name, file.read(MAX_BYTES + 1))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, ``place`` for messages."""

    place: str
    cells: Mapping[str, str]

    def number(self, column: str) -> float:
        """A number as Locust writes it: a decimal point, no thousands.

        Raises:
            Unreadable: It is none, negative, or not finite.
        """
        text = self.cells[column].strip()
        if _NUMBER.fullmatch(text):
            return plausible(float(text), f"{self.place}, {column}")
        if _LOCALE.fullmatch(text):
            raise Unreadable(
                f"{self.place}, {column}: {text!r} has the commas or spaces of a locale, so its size is a guess; "
                "Locust writes 1029 and 16.5"
            )
        raise Unreadable(f"{self.place}, {column}: {text!r} is no number")

    def optional(self, column: str) -> float | None:
        """The same, or None where the column is missing, empty or N/A."""
        return None if self.cells.get(column, "").strip() in _ABSENT else self.number(column)

    def whole(self, column: str) -> int:
        return whole(self.number(column), f"{self.place}, {column}")


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    """What was left out, or may be wrong, because the file is cut."""


def table(document: Document) -> Table:
    """Read CSV with a header; a last row that is cut is left out, and said.

    Raises:
        Unreadable: A row has not as many cells as the header.
    """
    lines: list[list[str]] = []
    missing: list[str] = []
    try:
        lines.extend(line for line in csv.reader(io.StringIO(document.text, newline=""), strict=True) if line)
    except csv.Error as error:
        missing.append(f"{document.name} breaks off after row {len(lines)} ({error}): what follows was left out")
    if not lines:
        raise Unreadable(f"{document.name} is no table: {missing[0] if missing else 'it has no line'}")
    columns, rows = tuple(cell.strip() for cell in lines[0]), []
    for number, line in enumerate(lines[1:], start=2):
        place = f"{document.name}, row {number}"
        if len(line) < len(columns) and number == len(lines):
            missing.append(
                f"{place} has {len(line)} of {len(columns)} cells: the file is cut, and the row was left out"
            )
        elif len(line) != len(columns):
            raise Unreadable(f"{place} has {len(line)} cells and the header {len(columns)}")
        else:
            rows.append(Row(place, dict(zip(columns, line, strict=True))))
    if not missing and not document.text.endswith("\n"):
        missing.append(f"{document.name} ends without a line break: its last cell may be cut")
    return Table(columns, tuple(rows), tuple(missing))


def plausible(value: float, place: str) -> float:
    """The value, if it can be a count or a time.

    Raises:
        Unreadable: It is negative, not finite, or not between ``LEAST_NUMBER`` and ``MAX_NUMBER``.
    """
    if not math.isfinite(value) or value > MAX_NUMBER:
        raise Unreadable(f"{place}: {value:g} is no figure of a load test")
    if 0 < value < LEAST_NUMBER:
        raise Unreadable(f"{place}: {value:g} is too small for a figure of a load test")
    if value < 0:
        raise Unreadable(f"{place}: {value:g} is negative")
    return value


def whole(value: float, place: str) -> int:
    """The value as a count.

    Raises:
        Unreadable: It has a fraction.
    """
    if value != int(value):
        raise Unreadable(f"{place}: {value:g} is no count")
    return int(value)
