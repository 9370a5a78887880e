"""What statements have in common: their text with values folded, and a short hash of it."""

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256

from tuning.sql_tokens import Token, tokenize

# A captured text comes again and again with other parameters; so many different ones are remembered.
REMEMBERED = 20_000
_PLACEHOLDER = re.compile(r"%(?:%|[sbt]|\([^)]*\)[sbt])")
_SIGNS = ("+", "-")


@lru_cache(maxsize=REMEMBERED)
def shape(sql: str) -> tuple[str, str]:
    """The hash and the text of a statement without its values.

    Literals and placeholders become ``?``, lists of them one ``?``, and a VALUES list its first row. Names in quotes
    keep their case, others and keywords lose it, and comments and white space are no part of it.
    """
    text = " ".join(_folded(list(tokenize(_PLACEHOLDER.sub(_value, sql)))))
    text = re.sub(r"\( (\?)(?: , \?)* \)", r"( \1 )", text)
    text = re.sub(r"(\( [^()]*\))(?: , \1)+", r"\1", text)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12], text


def _value(match: "re.Match[str]") -> str:
    return "%" if match.group() == "%%" else " '' "


def _folded(tokens: list[Token]) -> Iterator[str]:
    previous = ""
    skip = False
    for at, token in enumerate(tokens):
        if skip:
            skip = False
            continue
        text = _text(token)
        if token.text == "$" and at + 1 < len(tokens) and tokens[at + 1].kind == "number":
            text, skip = "?", True
        elif token.text in _SIGNS and _is_sign(previous, tokens, at):
            continue
        if text == ";":
            continue
        yield text
        previous = text


def _text(token: Token) -> str:
    if token.kind in ("string", "number"):
        return "?"
    if token.kind == "word":
        return token.text.lower()
    return token.text


def _is_sign(previous: str, tokens: list[Token], at: int) -> bool:
    """Whether a + or - belongs to the number behind it."""
    is_number = at + 1 < len(tokens) and tokens[at + 1].kind == "number"
    return is_number and (not previous or previous in "(,=<>" or previous in ("in", "then", "else", "values", "limit"))
