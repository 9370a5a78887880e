"""What a statement does: one action for each thing that happens to a table, an index or a function."""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from tuning.sql_tokens import Statement, Token

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
DEFAULT_SCHEMA = "public"


class Kind(Enum):
    ADD_COLUMN = auto()
    DROP_COLUMN = auto()
    ALTER_TYPE = auto()
    SET_NOT_NULL = auto()
    DROP_NOT_NULL = auto()
    SET_DEFAULT = auto()
    DROP_DEFAULT = auto()
    ADD_CONSTRAINT = auto()
    VALIDATE_CONSTRAINT = auto()
    DROP_CONSTRAINT = auto()
    ATTACH_PARTITION = auto()
    DETACH_PARTITION = auto()
    RENAME_COLUMN = auto()
    RENAME_TABLE = auto()
    RENAME_OTHER = auto()
    SET_SCHEMA = auto()
    MOVE_STORAGE = auto()
    SET_PARAMETERS = auto()
    ALTER_TABLE_OTHER = auto()
    CREATE_TABLE = auto()
    DROP_TABLE = auto()
    TRUNCATE = auto()
    CREATE_INDEX = auto()
    DROP_INDEX = auto()
    REINDEX = auto()
    REPACK = auto()
    CREATE_TRIGGER = auto()
    CREATE_FUNCTION = auto()
    DROP_FUNCTION = auto()
    REFRESH = auto()
    WRITE = auto()
    DO = auto()
    SET = auto()
    BEGIN = auto()
    COMMIT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Name:
    """A name as PostgreSQL stores it, with the schema where one was written."""

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        return ".".join(quoted(part) for part in (self.schema, self.name) if part is not None)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others; an unwritten schema is taken for public."""
        return self.schema or DEFAULT_SCHEMA, self.name

    def is_same(self, other: "Name") -> bool:
        return self.key == other.key


@dataclass(frozen=True, slots=True)
class Action:
    """``tail`` holds the tokens behind the action's names: a column's type, a constraint's text."""

    kind: Kind
    statement: Statement
    start: int
    table: Name | None = None
    name: Name | None = None
    columns: tuple[str, ...] = ()
    constraint: str = ""
    flags: frozenset[str] = field(default_factory=frozenset)
    tail: tuple[Token, ...] = ()

    @property
    def line(self) -> int:
        return self.statement.line_at(self.start)

    @property
    def column(self) -> str:
        return self.columns[0] if self.columns else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The keywords of the tail outside of parentheses."""
        return outside_parentheses(self.tail)

    def tail_text(self) -> str:
        return text_of(self, self.tail)


def text_of(action: Action, tokens: tuple[Token, ...]) -> str:
    """What stands from the first of the tokens to the last, as it was written."""
    if not tokens:
        return ""
    begin, end = tokens[0].start, tokens[-1].start + len(tokens[-1].text)
    return action.statement.text[begin - action.statement.start : end - action.statement.start]


def outside_parentheses(tokens: tuple[Token, ...]) -> tuple[str, ...]:
    found = []
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.keyword:
            found.append(token.keyword)
    return tuple(found)


def has_sequence(words: tuple[str, ...], *wanted: str) -> bool:
    """Whether the words stand one after the other."""
    return any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))


def quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
