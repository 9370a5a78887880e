"""Find and read SQL files: in the folder that a project names, and in the kit's own ``sql/``.

The kit's stands beside the package in a checkout and a wheel. Another project sets
``HOTROW_SQL_ROOT`` in its Django settings.
"""

from functools import cache
from pathlib import Path

import sqlparse
from django.conf import settings

SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"


def root(path: str) -> Path:
    """The folder that a path of an operation is relative to.

    A project that names a folder of its own may have the kit's migrations beside its own, so what
    is not in the one is looked for in the other.
    """
    project = Path(getattr(settings, "HOTROW_SQL_ROOT", SQL_ROOT)).resolve()
    return project if (project / path).is_file() or not (SQL_ROOT / path).is_file() else SQL_ROOT


@cache
def read(path: str, below: Path = SQL_ROOT) -> str:
    """Return the text of one file, its path given relative to ``below``.

    Raises:
        FileNotFoundError: There is no such file; the message lists those of its folder.
        ValueError: The path leads out of ``below``.
    """
    file = (below / path).resolve()
    if not file.is_relative_to(below):
        raise ValueError(f"{path} is not below {below}")
    if not file.is_file():
        known = ", ".join(sorted(sibling.name for sibling in file.parent.glob("*.sql"))) or "none"
        raise FileNotFoundError(f"{file} does not exist; files there: {known}")
    return file.read_text(encoding="utf-8")


def statements(text: str) -> list[str]:
    """Split a script into its statements, comments and empty ones left out."""
    parts = (sqlparse.format(part, strip_comments=True).strip() for part in sqlparse.split(text))
    return [part for part in parts if part.strip("; \n")]
