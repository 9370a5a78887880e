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
# Comments and dollar quotes take a look at each token.
_NEEDS_TOKENS = ("$", "--", "/*")
# The strings and numbers of sql_tokens, and the names in quotes that may hold what looks like one.
_FOLDABLE = re.compile(
    r"""(?P<kept>(?:[uU]&)?"(?:[^"]|"")*")
      | (?:(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*' | (?:(?<![\w$])(?:[uU]&|[bBxXnN]))?'(?:[^']|'')*')
      | (?P<number>(?<![\w$])\d[\w.]*)""",
    re.VERBOSE | re.DOTALL,
)
_SIGNS = ("+", "-")
_known: dict[bytes, tuple[str, str]] = {}
_shapes: dict[str, tuple[str, str]] = {}


def shape(sql: str) -> tuple[str, str]:
    """The hash and the text of a statement without its values.

    Literals and placeholders become ``?``, lists of them one ``?``, and a VALUES list its first row. Names in quotes
    keep their case, others and keywords lose it, and comments and white space are no part of it. Nor is the name of a
    savepoint, which is another each time (pg_stat_statements folds it since PostgreSQL 17).
    """
    digest = _digest(sql)
    found = _known.get(digest)
    if found is None:
        if len(_known) >= REMEMBERED:
            forget()
        text = without_values(sql)
        folded = _digest(text)
        found = _known.get(folded)
        if found is None:
            found = _shape(text)
            # Lists of all lengths share one text.
            found = _shapes.setdefault(found[1], found)
        _known[digest] = _known[folded] = found
    return found


def forget() -> None:
    """Remember no text any more."""
    _known.clear()
    _shapes.clear()


def without_values(sql: str) -> str:
    """The statement with one and the same value for each of its own, as far as that is had without reading each token.

    It has the same shape. A text with its values in it is another each time, and tokens are what takes long.
    """
    short = _ROWS.sub("(%s)", _LIST.sub("(%s)", sql))
    text = _PLACEHOLDER.sub(_value, short)
    return text if any(each in text for each in _NEEDS_TOKENS) else _FOLDABLE.sub(_plain, text)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _shape(text: str) -> tuple[str, str]:
    """The shape of a text that has no placeholders any more."""
    text = " ".join(_folded(list(tokenize(text))))
    text = re.sub(r"\( (\?)(?: , \?)* \)", r"( \1 )", text)
    text = re.sub(r"(\( [^()]*\))(?: , \1)+", r"\1", text)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12], text


def _value(match: "re.Match[str]") -> str:
    return "%" if match.group() == "%%" else " '' "


def _plain(match: "re.Match[str]") -> str:
    kind = match.lastgroup
    if kind == "kept":
        return match.group()
    return "0 " if kind == "number" else "'' "


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
