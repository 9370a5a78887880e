"""Read the conditions of a plan: which expression of the table each compares, how, and whether an index could serve it.

PostgreSQL prints them normalised: every operator in parentheses, every constant with its type, columns by alias.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tuning.sql_tokens import Token, tokenize

RANGES = frozenset({"<", ">", "<=", ">="})
_FLIPPED = {"=": "=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_ARRAYS = frozenset({"@>", "<@", "&&", "?", "?|", "?&", "@@", "@?"})
_LIKES = frozenset({"~~", "~~*"})
_OPERATORS = RANGES | _ARRAYS | _LIKES | {"=", "<>", "!~~", "!~~*", "~", "~*", "!~", "!~*"}
_CAST = re.compile(r'^\(([a-z_][a-z0-9_$]*|"(?:[^"]|"")+")\)::(?:text|bpchar|character varying)$')
_NAME = re.compile(r'[a-z_][a-z0-9_$]*|"(?:[^"]|"")+"')
_CALL = re.compile(r"(?:[a-z_][a-z0-9_$]*\.)?[a-z_][a-z0-9_$]*\(.*\)$", re.DOTALL)
# A trigram index has nothing to search by in a shorter text (pg_trgm's documentation).
_TRIGRAM = re.compile(r"[^\W_]{3}")
_PREFIX = re.compile(r"'[^%_\\']{2,}.*'", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """``kind`` is equal, any, null, notnull, true, false, range, prefix, infix, gin, join, or, or none.

    ``key`` is what an index would hold, ``text`` the condition with the table's alias taken off; ``others`` are the
    aliases that it compares with; ``arms`` the parts of an OR. ``is_open``: it compares with a value that the plan
    does not tell, such as ``$1``.
    """

    kind: str
    key: str
    text: str
    columns: tuple[str, ...] = ()
    operator: str = ""
    others: tuple[str, ...] = ()
    arms: tuple["Condition", ...] = ()
    is_open: bool = False

    @property
    def is_equality(self) -> bool:
        return self.kind in ("equal", "any", "true", "false")

    @property
    def is_constant(self) -> bool:
        """Whether it says the same whoever asks, so that it can be an index's predicate."""
        return self.kind in ("null", "notnull", "true", "false")


def read(text: str, alias: str) -> list[Condition]:
    """The conditions that a text joins by AND, as an index on the table with this alias would see them."""
    return [_condition(tokens, alias) for tokens in _split(_bare(list(tokenize(text))), "AND")]


def column_of(key: str) -> str | None:
    """The key as a plain column, also where the plan casts it to the type that its operator wants."""
    cast = _CAST.match(key)
    name = cast.group(1) if cast else key
    return name if _NAME.fullmatch(name) else None


def key_part(key: str) -> str:
    """The key as CREATE INDEX writes it: other expressions than calls want parentheses."""
    return key if _NAME.fullmatch(key) or _is_call(key) else f"({key})"


def _is_call(key: str) -> bool:
    if not _CALL.match(key):
        return False
    tokens = list(tokenize(key))
    depth = 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == ")":
            return at == len(tokens) - 1
    return False


def _condition(tokens: list[Token], alias: str) -> Condition:
    tokens = _bare(tokens)
    text = _text(tokens, alias)
    columns = tuple(dict.fromkeys(_columns(tokens, alias)))
    arms = _split(tokens, "OR")
    if len(arms) > 1:
        read_arms = tuple(_condition(arm, alias) for arm in arms)
        return Condition("or", "", text, columns, arms=read_arms, others=_others(tokens, alias))
    words = [token.keyword for token in tokens]
    if words[-2:] == ["IS", "NULL"]:
        return Condition("null", _key(tokens[:-2], alias), text, columns)
    if words[-3:] == ["IS", "NOT", "NULL"]:
        return Condition("notnull", _key(tokens[:-3], alias), text, columns)
    if words[:1] == ["NOT"] and len(columns) == 1 and column_of(_key(tokens[1:], alias)):
        return Condition("false", _key(tokens[1:], alias), text, columns)
    at = _operator(tokens)
    if at is None:
        is_column = len(columns) == 1 and column_of(text) is not None
        return Condition("true" if is_column else "none", text, text, columns)
    left, right, operator = tokens[:at], tokens[at + 1 :], tokens[at].text
    if not any(_columns(left, alias)) and operator in _FLIPPED:
        left, right, operator = right, left, _FLIPPED[operator]
    others = _others(tokens, alias)
    key = _key(left, alias)
    is_row = _bare(left)[0].keyword == "ROW" if left else False
    if is_row or any(_columns(right, alias)) or not any(_columns(left, alias)) or _others(left, alias):
        return Condition("none", key, text, columns, operator, others)
    is_open = any(_parameters(right))
    return Condition(_kind(operator, right, others), key, text, columns, operator, others, is_open=is_open)


def _kind(operator: str, right: Sequence[Token], others: Sequence[str]) -> str:
    words = [token.keyword for token in right]
    if "ALL" in words[:1]:
        return "none"
    is_any = words[:1] == ["ANY"]
    if operator == "=":
        return "join" if others else "any" if is_any else "equal"
    if others or is_any:
        return "none"
    if operator in RANGES:
        return "range"
    if operator in _ARRAYS:
        return "gin"
    literal = right[0].text if right and right[0].kind == "string" else ""
    if operator == "~~" and _PREFIX.match(literal):
        return "prefix"
    return "infix" if operator in _LIKES and _TRIGRAM.search(literal) else "none"


def _operator(tokens: Sequence[Token]) -> int | None:
    depth = 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "operator" and token.text in _OPERATORS:
            return at
    return None


def _split(tokens: list[Token], word: str) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.keyword == word:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _bare(tokens: list[Token]) -> list[Token]:
    """Without the parentheses around all of it."""
    while len(tokens) > 1 and tokens[0].text == "(" and tokens[-1].text == ")":
        depth = 0
        for at, token in enumerate(tokens):
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0 and at < len(tokens) - 1:
                return tokens
        tokens = tokens[1:-1]
    return tokens


def _key(tokens: Sequence[Token], alias: str) -> str:
    return _text(_bare(list(tokens)), alias)


def _references(tokens: Sequence[Token]) -> list[tuple[int, str, str]]:
    """Where ``alias.column`` stands: the offset, the alias and the column as it is written."""
    names = ("word", "quoted")
    return [
        (at, tokens[at].identifier, tokens[at + 2].text)
        for at in range(len(tokens) - 2)
        if tokens[at].kind in names and tokens[at + 1].text == "." and tokens[at + 2].kind in names
        and (at + 3 >= len(tokens) or tokens[at + 3].text != "(") and (at == 0 or tokens[at - 1].text != "::")
    ]  # fmt: skip


def _columns(tokens: Sequence[Token], alias: str) -> list[str]:
    return [column for _, name, column in _references(tokens) if name == alias]


def _others(tokens: Sequence[Token], alias: str) -> tuple[str, ...]:
    found = [name for _, name, _ in _references(tokens) if name != alias]
    # PostgreSQL before 17 prints an InitPlan's answer as $0; parameters of statements begin with $1.
    is_unknown = "0" in _parameters(tokens) or any(token.keyword in ("SUBPLAN", "INITPLAN") for token in tokens)
    return tuple(dict.fromkeys([*found, *(["subplan"] if is_unknown else [])]))


def _parameters(tokens: Sequence[Token]) -> list[str]:
    return [after.text for token, after in pairwise(tokens) if token.text == "$" and after.kind == "number"]


def _text(tokens: Sequence[Token], alias: str) -> str:
    dropped = {spot for at, name, _ in _references(tokens) if name == alias for spot in (at, at + 1)}
    pieces: list[str] = []
    end = tokens[0].start if tokens else 0
    for at, token in enumerate(tokens):
        if at in dropped:
            end = token.start + len(token.text) if at - 1 in dropped else end
            if at - 1 not in dropped:
                pieces.append(" " if token.start > end and pieces else "")
            continue
        pieces.append((" " if token.start > end and pieces else "") + token.text)
        end = token.start + len(token.text)
    return "".join(pieces)
