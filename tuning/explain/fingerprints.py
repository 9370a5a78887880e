"""What statements have in common: their text with values folded, and a short hash of it."""

import re
from collections.abc import Iterator
from hashlib import blake2b, sha256

from tuning.sql_tokens import Token, tokenize

# A captured text comes again and again with other parameters. Texts are remembered by a digest: one may have 20,000
# characters, and an entry takes some 200 bytes.
REMEMBERED = 100_000
_DIGEST_BYTES = 16
_PLACEHOLDER = re.compile(r"%(?:%|[sbt]|\([^)]*\)[sbt])")
# Lists as Django writes them are cut before they are looked at one by one: most tokens of its longest texts.
_LIST = re.compile(r"\(%s(?:, %s)+\)")
_ROWS = re.compile(r"\(%s\)(?:, \(%s\))+")
_SIGNS = ("+", "-")
_known: dict[bytes, tuple[str, str]] = {}
_shapes: dict[str, tuple[str, str]] = {}


def shape(sql: str) -> tuple[str, str]:
    """The hash and the text of a statement without its values.

    Literals and placeholders become ``?``, lists of them one ``?``, and a VALUES list its first row. Names in quotes
    keep their case, others and keywords lose it, and comments and white space are no part of it. Nor is the name of a
    savepoint, which is another each time (pg_stat_statements folds it since PostgreSQL 17).
    """
    digest = blake2b(sql.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
    found = _known.get(digest)
    if found is None:
        if len(_known) >= REMEMBERED:
            forget()
        found = _shape(sql)
        # Lists of all lengths share one text.
        found = _known[digest] = _shapes.setdefault(found[1], found)
    return found


def forget() -> None:
    """Remember no text any more."""
    _known.clear()
    _shapes.clear()


def _shape(sql: str) -> tuple[str, str]:
    short = _ROWS.sub("(%s)", _LIST.sub("(%s)", sql))
    text = " ".join(_folded(list(tokenize(_PLACEHOLDER.sub(_value, short)))))
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
        elif previous == "savepoint" and at + 1 == len(tokens) - (tokens[-1].text == ";"):
            text = "?"
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
