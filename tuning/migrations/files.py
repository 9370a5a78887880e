"""Read SQL files as drift needs them: one function or one index each, and how to make it elsewhere.

The migrations have a reader of their own (service/db): neither side imports the other.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import sqlparse

DROPPED = "DROPPED"
"""The list of files that are kept for reversing alone: what they made was dropped since."""

_IDENTIFIER = r'(?:[a-z_][a-z0-9_$]*|"[^"]+")'
_FUNCTION = re.compile(
    r"^CREATE\s+(?P<replace>OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s+"
    rf"(?:(?P<schema>{_IDENTIFIER})\.)?(?P<name>{_IDENTIFIER})\s*\(",
    re.IGNORECASE | re.MULTILINE,
)
_INDEX = re.compile(
    rf"CREATE\s+(?P<unique>UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?P<name>{_IDENTIFIER})"
    rf"\s+ON\s+(?P<table>{_IDENTIFIER}(?:\.{_IDENTIFIER})?)\s*(?P<rest>(?:USING\b|\().*)",
    re.IGNORECASE | re.DOTALL,
)
_BODY = re.compile(r"\$([a-z_][a-z0-9_]*)?\$.*?\$(?(1)\1)\$", re.IGNORECASE | re.DOTALL)
_VERSION = re.compile(r"(?P<family>.+)_v(?P<number>[1-9][0-9]*)\Z")


@dataclass(frozen=True, slots=True)
class FunctionFile:
    path: str
    text: str
    schema: str | None
    name: str
    version: int
    replaces: bool

    @property
    def family(self) -> str:
        """What the versions have in common."""
        match = _VERSION.match(self.name)
        return self.name if self.replaces or match is None else match["family"]

    @property
    def temporary(self) -> str:
        """The same function among the temporary objects of a session."""
        written = f"{self.schema}.{self.name}" if self.schema else self.name
        named = re.compile(rf"\b(FUNCTION|PROCEDURE)\s+{re.escape(written)}\s*(?=\()", re.IGNORECASE)
        parts, end = [], 0
        for body in _BODY.finditer(self.text):
            parts += [named.sub(rf"\1 pg_temp.{self.name}", self.text[end : body.start()]), body.group()]
            end = body.end()
        return "".join([*parts, named.sub(rf"\1 pg_temp.{self.name}", self.text[end:])])


@dataclass(frozen=True, slots=True)
class IndexFile:
    path: str
    name: str
    table: str
    unique: str
    rest: str

    def on(self, table: str) -> str:
        return f"CREATE {self.unique}INDEX {self.name} ON {table} {self.rest}"


@dataclass(frozen=True, slots=True)
class Files:
    """What a folder says; ``dropped`` are the paths whose objects are to be gone."""

    functions: tuple[FunctionFile, ...]
    indexes: tuple[IndexFile, ...]
    dropped: frozenset[str]


def read(root: Path) -> Files:
    """Read ``functions/`` and ``indexes/``.

    Raises:
        ValueError: There are none, one cannot be understood, or ``DROPPED`` names one that is not there.
    """
    functions = [_function(root, path) for path in sorted(root.glob("functions/*.sql"))]
    indexes = [_index(root, path) for path in sorted(root.glob("indexes/*.sql"))]
    if not functions and not indexes:
        raise ValueError(f"{root} holds no SQL files: name the folder that has functions/ and indexes/ with --sql")
    file = root / DROPPED
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    dropped = frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if unknown := dropped - ({each.path for each in functions} | {each.path for each in indexes}):
        raise ValueError(f"{file} names {min(unknown)}, which is not there")
    return Files(tuple(_latest(functions)), tuple(indexes), dropped)


def _latest(functions: list[FunctionFile]) -> list[FunctionFile]:
    """Of the files that replace each other only the last one counts."""
    last = {(each.schema, each.name): each for each in sorted(functions, key=lambda each: each.version)}
    return [each for each in functions if not each.replaces or last[each.schema, each.name] is each]


def _function(root: Path, path: Path) -> FunctionFile:
    text = path.read_text(encoding="utf-8")
    found = list(_FUNCTION.finditer(_BODY.sub("", text)))
    version = _VERSION.match(path.stem)
    if len(found) != 1 or version is None:
        raise ValueError(f"{path} must make one function and be named <name>_v<N>.sql")
    match = found[0]
    return FunctionFile(
        path.relative_to(root).as_posix(),
        text,
        match["schema"],
        match["name"],
        int(version["number"]),
        match["replace"] is not None,
    )


def _index(root: Path, path: Path) -> IndexFile:
    text = sqlparse.format(path.read_text(encoding="utf-8"), strip_comments=True).strip()
    match = _INDEX.match(text)
    if match is None or match["name"] != path.stem or len(sqlparse.split(text)) != 1:
        raise ValueError(f"{path} must hold one statement, CREATE [UNIQUE] INDEX CONCURRENTLY {path.stem} ON ...")
    return IndexFile(
        path.relative_to(root).as_posix(), match["name"], match["table"], match["unique"] or "", match["rest"]
    )
