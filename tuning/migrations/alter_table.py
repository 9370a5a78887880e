"""Read the actions of ALTER TABLE: one statement may hold many."""

from collections.abc import Callable, Iterator

from tuning.migrations.actions import Action, Kind, Name, has_sequence, outside_parentheses
from tuning.migrations.reading import Reader, cut_at_commas
from tuning.sql_tokens import Statement, Token

_CONSTRAINTS = ("CHECK", "FOREIGN", "UNIQUE", "PRIMARY", "EXCLUDE", "NOT")
_Forms = tuple[tuple[tuple[str, ...], Kind], ...]
_NAMED: _Forms = (
    (("VALIDATE", "CONSTRAINT"), Kind.VALIDATE_CONSTRAINT),
    (("ATTACH", "PARTITION"), Kind.ATTACH_PARTITION),
    (("DETACH", "PARTITION"), Kind.DETACH_PARTITION),
)
_COLUMN: _Forms = (
    (("SET", "NOT", "NULL"), Kind.SET_NOT_NULL),
    (("DROP", "NOT", "NULL"), Kind.DROP_NOT_NULL),
    (("SET", "DEFAULT"), Kind.SET_DEFAULT),
    (("DROP", "DEFAULT"), Kind.DROP_DEFAULT),
    (("SET", "DATA", "TYPE"), Kind.ALTER_TYPE),
    (("TYPE",), Kind.ALTER_TYPE),
)
# The first that fits: what is left of SET changes parameters, the forms before it copy the table.
_BARE: _Forms = (
    (("SET", "SCHEMA"), Kind.SET_SCHEMA),
    (("SET", "TABLESPACE"), Kind.MOVE_STORAGE),
    (("SET", "LOGGED"), Kind.MOVE_STORAGE),
    (("SET", "UNLOGGED"), Kind.MOVE_STORAGE),
    (("SET", "ACCESS", "METHOD"), Kind.MOVE_STORAGE),
    (("SET",), Kind.SET_PARAMETERS),
    (("RESET",), Kind.SET_PARAMETERS),
)


def read(statement: Statement, reader: Reader) -> Iterator[Action]:
    """Yield the actions that follow the words ALTER TABLE."""
    reader.accept("IF", "EXISTS")
    reader.accept("ONLY")
    table = reader.name()
    reader.operator("*")
    if table is not None:
        for part in cut_at_commas(reader.rest):
            yield _action(statement, table, Reader(part))


def constraint(statement: Statement, table: Name, reader: Reader, start: int) -> Action:
    """Read a constraint from its optional name on, as ALTER TABLE and CREATE TABLE write it."""
    name = None
    if reader.accept("CONSTRAINT"):
        reader.accept("IF", "NOT", "EXISTS")
        name = reader.name()
    kind = reader.accept_any(*_CONSTRAINTS)
    tail = reader.rest
    flags = set()
    words = outside_parentheses(tail)
    if has_sequence(words, "NOT", "VALID"):
        flags.add("not_valid")
    if has_sequence(words, "USING", "INDEX") and "TABLESPACE" not in words:
        flags.add("using_index")
    columns: tuple[str, ...] = ()
    if kind == "NOT" and reader.accept("NULL"):
        columns = (reader.identifier(),)
    elif kind in ("FOREIGN", "PRIMARY", "UNIQUE"):
        reader.accept("KEY")
        if reader.accept("NULLS", "NOT", "DISTINCT"):
            flags.add("nulls_not_distinct")
        reader.accept("NULLS", "DISTINCT")
        columns = names_of(reader.parenthesised())
    return Action(Kind.ADD_CONSTRAINT, statement, start, table, name, columns, kind, frozenset(flags), tail)


def names_of(tokens: tuple[Token, ...]) -> tuple[str, ...]:
    return tuple(part[0].identifier if part[0].kind in ("word", "quoted") else "" for part in cut_at_commas(tokens))


def _action(statement: Statement, table: Name, reader: Reader) -> Action:
    start = reader.start

    def made(
        kind: Kind, name: Name | None = None, columns: tuple[str, ...] = (), flags: tuple[str, ...] = ()
    ) -> Action:
        return Action(kind, statement, start, table, name, columns, "", frozenset(flags), reader.rest)

    if reader.accept("ADD"):
        if reader.keyword() in (*_CONSTRAINTS, "CONSTRAINT"):
            return constraint(statement, table, reader, start)
        reader.accept("COLUMN")
        reader.accept("IF", "NOT", "EXISTS")
        return made(Kind.ADD_COLUMN, columns=(reader.identifier(),))
    if reader.accept("DROP"):
        if reader.accept("CONSTRAINT"):
            reader.accept("IF", "EXISTS")
            return made(Kind.DROP_CONSTRAINT, reader.name())
        reader.accept("COLUMN")
        reader.accept("IF", "EXISTS")
        return made(Kind.DROP_COLUMN, columns=(reader.identifier(),))
    if reader.accept("ALTER"):
        return _alter_column(reader, made) if reader.keyword() != "CONSTRAINT" else made(Kind.ALTER_TABLE_OTHER)
    if reader.accept("RENAME"):
        return _rename(reader, made)
    for words, kind in _NAMED:
        if reader.accept(*words):
            name = reader.name()
            return made(kind, name, flags=("concurrently",) if reader.keyword() == "CONCURRENTLY" else ())
    for words, kind in _BARE:
        if reader.accept(*words):
            return made(kind)
    return made(Kind.ALTER_TABLE_OTHER)


def _rename(reader: Reader, made: Callable[..., Action]) -> Action:
    if reader.accept("TO"):
        return made(Kind.RENAME_TABLE, reader.name())
    if reader.accept("CONSTRAINT"):
        return made(Kind.RENAME_OTHER, reader.name())
    reader.accept("COLUMN")
    return made(Kind.RENAME_COLUMN, columns=(reader.identifier(),))


def _alter_column(reader: Reader, made: Callable[..., Action]) -> Action:
    reader.accept("COLUMN")
    columns = (reader.identifier(),)
    for words, kind in _COLUMN:
        if reader.accept(*words):
            return made(kind, columns=columns)
    return made(Kind.ALTER_TABLE_OTHER, columns=columns)
