"""The list of SQL files with the hash of each, as migrations expect it (see service/db/manifest.py).

One line a file, SHA-256 and path, sorted by path, as ``sha256sum`` writes them.
"""

import hashlib
import os
from pathlib import Path

NAME = "MANIFEST"
SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"


def text(root: Path) -> str:
    """The list of the files as they are.

    Raises:
        ValueError: There is no such folder, or no file in it.
    """
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.sql"))
    if not paths:
        raise ValueError(f"{root} holds no SQL files: name the folder that has functions/ and indexes/ with --sql")
    return "".join(f"{hashlib.sha256((root / path).read_bytes()).hexdigest()}  {path}\n" for path in paths)


def differences(root: Path) -> list[str]:
    """What the list says otherwise than the files, in words; nothing if they agree."""
    wanted = _entries(text(root))
    file = root / NAME
    listed = _entries(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return [
        f"{path} {_difference(listed.get(path), wanted.get(path))}"
        for path in sorted(wanted.keys() | listed.keys())
        if listed.get(path) != wanted.get(path)
    ]


def write(root: Path) -> None:
    """Write the list anew, whole or not at all."""
    listed = text(root)
    staging = root / f".{NAME}.{os.getpid()}"
    staging.write_text(listed, encoding="utf-8")
    staging.replace(root / NAME)


def _entries(lines: str) -> dict[str, str]:
    pairs = (line.split(maxsplit=1) for line in lines.splitlines() if line.strip())
    return {path: digest for digest, path in pairs}


def _difference(listed: str | None, wanted: str | None) -> str:
    if listed is None:
        return "is not listed"
    return "is listed and not there" if wanted is None else "has changed since it was listed"
