"""Read indexes: from a CREATE INDEX statement, and from the file that ``hotrow index suggest --json`` writes."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tuning.sql_tokens import Statement, Token, split
from tuning.whatif.candidate import MAX_NAME_BYTES, Candidate
from tuning.whatif.errors import Unproven

_FIELDS = {each.name for each in fields(Candidate)}
_EXAMPLE = "CREATE INDEX name ON schema.table (columns)"


@dataclass(frozen=True, slots=True)
class Definition:
    """An index with the name that it was given, or that it gives itself."""

    name: str
    candidate: Candidate

    def sql(self, *, concurrently: bool) -> str:
        return self.candidate.named(self.name, concurrently=concurrently)


def parse(text: str) -> Definition:
    """Read one CREATE INDEX statement.

    Raises:
        Unproven: It is none, several, or has a part that the kit does not carry on (WITH, TABLESPACE, NULLS).
    """
    if "\0" in text:
        raise Unproven("the index holds a NUL byte")
    statements = split(text)
    if len(statements) != 1:
        raise Unproven(f"the index must be one statement, {_EXAMPLE}; this is {len(statements)}")
    return _Reader(statements[0]).definition()


def candidates(path: Path) -> list[Definition]:
    """Read the candidates of a file: a list of objects, or an object that has one under ``candidates``.

    Raises:
        Unproven: It is no JSON, or an entry is no candidate.
        OSError: It cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unproven(f"{path} is no JSON: {error}") from error
    entries = found.get("candidates") if isinstance(found, dict) else found
    if not isinstance(entries, list) or not entries:
        raise Unproven(f"{path} holds no candidates: it is what `hotrow index suggest --json` prints")
    return [_entry(each, f"{path}, candidate {number}") for number, each in enumerate(entries, 1)]


def _entry(entry: Any, where: str) -> Definition:
    if not isinstance(entry, dict) or not isinstance(entry.get("table"), str) or not entry.get("columns"):
        raise Unproven(f"{where}: it has no table or no columns")
    given = {key: value for key, value in entry.items() if key in _FIELDS}
    for name in ("columns", "include"):
        value = given.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise Unproven(f"{where}: {name} is no list of texts")
        given[name] = tuple(value)
    for name in ("schema", "method", "predicate", "reason"):
        if not isinstance(given.get(name) or "", str):
            raise Unproven(f"{where}: {name} is no text")
    candidate = Candidate(**{"schema": "", **given})
    # What it says is SQL: it is read again as such, so that no part can be a second statement.
    parse(candidate.sql(concurrently=False))
    return Definition(candidate.name, candidate)


class _Reader:
    def __init__(self, statement: Statement) -> None:
        self._text = statement.text
        self._start = statement.start
        self._tokens = statement.tokens
        self._at = 0

    def definition(self) -> Definition:
        self._need("CREATE")
        unique = self._take("UNIQUE")
        self._need("INDEX")
        self._take("CONCURRENTLY")
        for word in ("IF", "NOT", "EXISTS"):
            self._take(word)
        name = "" if self._word == "ON" else self._name()
        self._need("ON")
        self._take("ONLY")
        schema, table = "", self._name()
        if self._take("."):
            schema, table = table, self._name()
        method = self._name() if self._take("USING") else "btree"
        columns = self._list()
        include = self._list() if self._take("INCLUDE") else ()
        predicate = self._rest() if self._take("WHERE") else None
        if self._at < len(self._tokens):
            raise Unproven(f"the index has {self._word or self._tokens[self._at].text}, which is not carried on here")
        if len(name.encode()) > MAX_NAME_BYTES:
            raise Unproven(f"the index's name is longer than {MAX_NAME_BYTES} bytes: PostgreSQL would cut it")
        candidate = Candidate(schema, table, columns, include, method, predicate, unique)
        return Definition(name or candidate.name, candidate)

    @property
    def _word(self) -> str:
        return self._tokens[self._at].text.upper() if self._at < len(self._tokens) else ""

    def _take(self, word: str) -> bool:
        found = self._word == word
        self._at += found
        return found

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise Unproven(f"the index is not understood at {self._word or 'its end'}: write {_EXAMPLE}")

    def _name(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token.kind not in ("word", "quoted"):
            raise Unproven(f"the index lacks a name at {self._word or 'its end'}: write {_EXAMPLE}")
        self._at += 1
        return token.identifier

    def _list(self) -> tuple[str, ...]:
        """The parts between parentheses, cut at the commas that stand in no inner ones."""
        self._need("(")
        parts: list[list[Token]] = [[]]
        depth = 1
        while depth and self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "," and depth == 1:
                parts.append([])
            elif depth:
                parts[-1].append(token)
        if depth or not all(parts):
            raise Unproven(f"the index's parentheses do not close: write {_EXAMPLE}")
        return tuple(self._between(part[0], part[-1]) for part in parts)

    def _rest(self) -> str:
        if self._at >= len(self._tokens):
            raise Unproven("the index's WHERE says nothing")
        first, self._at = self._tokens[self._at], len(self._tokens)
        return self._between(first, self._tokens[-1])

    def _between(self, first: Token, last: Token) -> str:
        # Offsets of tokens are those of the script.
        return self._text[first.start - self._start : last.start - self._start + len(last.text)]
