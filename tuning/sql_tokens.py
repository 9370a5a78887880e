r"""Cut a script into PostgreSQL's tokens and statements, each with its place in the file.

A lexer of our own: sqlparse reads a backslash before a quote as an escape ('C:\' never ends), ends a nested
comment at the first ``*/``, and guesses the end of a statement from keywords.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>--[^\n]*)
      | (?P<block>/\*)
      | (?P<string>[eE]'(?:[^'\\]|''|\\.)*' | (?:[uU]&|[bBxXnN])?'(?:[^']|'')*')
      | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
      | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
      | (?P<number>\d[\w.]*)
      | (?P<word>[^\W\d][\w$]*)
      | (?P<operator>::|:=|=>|[<>=!~*/+%&|^\#@?-]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is word, quoted, string, number or operator; ``start`` an offset into the script."""

    kind: str
    text: str
    start: int

    @property
    def keyword(self) -> str:
        """The word in upper case; empty for what can be no keyword."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def identifier(self) -> str:
        """The name as PostgreSQL stores it."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text.lower()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon; ``line`` counts from 1 in the script."""

    text: str
    start: int
    line: int
    tokens: tuple[Token, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def line_at(self, offset: int) -> int:
        return self.line + self.text.count("\n", 0, max(0, offset - self.start))


def tokenize(text: str) -> Iterator[Token]:
    """Yield tokens; white space and comments are left out."""
    position = 0
    while match := _TOKEN.match(text, position):
        kind, end = match.lastgroup or "operator", match.end()
        if kind == "block":
            end = _end_of_comment(text, end)
        elif kind == "dollar":
            closing = text.find(match.group(), end)
            kind, end = "string", len(text) if closing < 0 else closing + len(match.group())
        if kind not in ("space", "comment", "block"):
            yield Token(kind, text[position:end], position)
        position = end


def split(text: str) -> list[Statement]:
    """Cut a script at its semicolons, but not inside parentheses or the body of BEGIN ATOMIC."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    found: list[Statement] = []
    tokens: list[Token] = []
    depth = blocks = 0

    def end_statement() -> None:
        if tokens:
            start, end = tokens[0].start, tokens[-1].start + len(tokens[-1].text)
            found.append(Statement(text[start:end], start, bisect_right(starts, start), tuple(tokens)))
            tokens.clear()

    for token in tokenize(text):
        if token.text == ";" and depth <= 0 and blocks <= 0:
            end_statement()
            depth = blocks = 0
            continue
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.keyword == "ATOMIC" and tokens and tokens[-1].keyword == "BEGIN":
            blocks = 1
        elif blocks:
            blocks += {"CASE": 1, "END": -1}.get(token.keyword, 0)
        tokens.append(token)
    end_statement()
    return found


def _end_of_comment(text: str, position: int) -> int:
    depth = 1
    for edge in _BLOCK_EDGE.finditer(text, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
