"""Read a SQL file only if it is the one that was reviewed: ``MANIFEST`` lists the SHA-256 of each.

Its lines are those of ``sha256sum``, so ``sha256sum --check MANIFEST`` reads it too.
"""

import hashlib
from pathlib import Path

from service.db import sqlfiles
from service.db.errors import NotListed

NAME = "MANIFEST"


def read(path: str) -> str:
    """Return the text of a listed file of :func:`sqlfiles.root`.

    Raises:
        NotListed: There is no list, the file is not on it, or has changed since.
    """
    root = sqlfiles.root(path)
    try:
        text = sqlfiles.read(path, root)
    except (FileNotFoundError, ValueError) as error:
        raise NotListed(str(error)) from error
    mend = f"`hotrow migrations manifest --write --sql {root}` lists the files as they are now"
    listed = _listed(root).get(path)
    if listed is None:
        raise NotListed(f"{path} is not listed in {root / NAME}: {mend}")
    if listed != digest(text):
        raise NotListed(
            f"{path} has changed since it was listed in {root / NAME}: a released file stays as it is, make a new "
            f"version; if it was never released, {mend}"
        )
    return text


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _listed(root: Path) -> dict[str, str]:
    """The hash of each listed path; nothing where there is no list."""
    file = root / NAME
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {path: listed for listed, path in pairs}
