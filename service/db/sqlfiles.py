"""Find and read the files of ``sql/``, which stands beside the package in a checkout and a wheel."""

from functools import cache
from pathlib import Path

import sqlparse

SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"


@cache
def read(path: str) -> str:
    """Return the text of one file, its path given relative to ``sql/``.

    Raises:
        FileNotFoundError: There is no such file; the message lists those of its folder.
        ValueError: The path leads out of ``sql/``.
    """
    file = (SQL_ROOT / path).resolve()
    if not file.is_relative_to(SQL_ROOT):
        raise ValueError(f"{path} is not below {SQL_ROOT}")
    if not file.is_file():
        known = ", ".join(sorted(sibling.name for sibling in file.parent.glob("*.sql"))) or "none"
        raise FileNotFoundError(f"{file} does not exist; files there: {known}")
    return file.read_text(encoding="utf-8")


def statements(text: str) -> list[str]:
    """Split a script into its statements, comments and empty ones left out."""
    parts = (sqlparse.format(part, strip_comments=True).strip() for part in sqlparse.split(text))
    return [part for part in parts if part.strip("; \n")]
