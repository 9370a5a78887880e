"""A function's argument and result types as PostgreSQL spells them, read from CREATE FUNCTION."""

from dataclasses import dataclass

from tuning.migrations.actions import Action
from tuning.migrations.reading import Reader, cut_at_commas
from tuning.sql_tokens import Token

# What people write and what format_type says.
_SPELLINGS = {
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "bool": "boolean",
    "float8": "double precision",
    "float4": "real",
    "decimal": "numeric",
    "varchar": "character varying",
    "char": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}
_MODES = ("IN", "INOUT", "OUT", "VARIADIC")
_TYPE_WORDS = ("DOUBLE", "CHARACTER", "TIMESTAMP", "TIME", "BIT", "NATIONAL")
_BEHIND_RESULT = ("LANGUAGE", "AS", "IMMUTABLE", "STABLE", "VOLATILE", "SECURITY", "SET", "STRICT", "CALLED", "RETURNS")
_BEHIND_TOO = ("NOT", "LEAKPROOF", "PARALLEL", "COST", "ROWS", "SUPPORT", "WINDOW", "RETURN", "BEGIN", "TRANSFORM")


@dataclass(frozen=True, slots=True)
class Signature:
    """``arguments`` are those that a call gives; ``result`` is empty where only OUT arguments say it."""

    arguments: str
    result: str

    @classmethod
    def of(cls, action: Action) -> "Signature":
        """Read it from a CREATE_FUNCTION action."""
        reader = Reader(action.statement.tokens)
        reader.until("FUNCTION", "PROCEDURE")
        reader.accept_any("FUNCTION", "PROCEDURE")
        reader.name()
        kinds = [_argument(part) for part in cut_at_commas(reader.parenthesised())]
        arguments = ", ".join(kind for kind in kinds if kind)
        return cls(arguments, _result(reader))


def _argument(tokens: tuple[Token, ...]) -> str:
    """The type of one argument; empty for one that only comes back."""
    reader = Reader(tokens)
    mode = reader.accept_any(*_MODES)
    if mode == "OUT":
        return ""
    reader.until("DEFAULT")
    kept = tokens[1 if mode else 0 : reader.at]
    equals = next((at for at, token in enumerate(kept) if token.text in ("=", ":=")), len(kept))
    kept = kept[:equals]
    # A name stands in front unless the type itself is of several words.
    if len(kept) > 1 and kept[0].keyword not in _TYPE_WORDS and kept[1].text not in (".", "(", "["):
        kept = kept[1:]
    return spelled(kept)


def _result(reader: Reader) -> str:
    if not reader.accept("RETURNS"):
        return ""
    if reader.accept("TABLE"):
        columns = ", ".join(
            f"{part[0].identifier} {spelled(part[1:])}" for part in cut_at_commas(reader.parenthesised())
        )
        return f"TABLE({columns})"
    prefix = "SETOF " if reader.accept("SETOF") else ""
    begin = reader.at
    reader.until(*_BEHIND_RESULT, *_BEHIND_TOO)
    return prefix + spelled(reader.tokens[begin : reader.at])


def spelled(tokens: tuple[Token, ...]) -> str:
    """A type as format_type spells it: no precision, no schema, arrays as ``[]``."""
    is_array = any(token.text.startswith("[") or token.keyword == "ARRAY" for token in tokens)
    words = []
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind in ("word", "quoted") and token.keyword != "ARRAY":
            words.append(token.text if token.kind == "quoted" else token.identifier)
        if token.text == ".":
            words.clear()
    name = " ".join(words)
    return _SPELLINGS.get(name, name) + ("[]" if is_array else "")
