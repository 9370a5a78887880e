"""Recognise the statements that matter to a running service; what is not recognised is an OTHER action."""

from collections.abc import Callable, Iterator

from tuning.migrations import alter_table
from tuning.migrations.actions import Action, Kind, Name
from tuning.migrations.reading import Reader, cut_at_commas
from tuning.sql_tokens import Statement, Token

_ROUTINES = ("FUNCTION", "PROCEDURE")


def actions(statement: Statement) -> Iterator[Action]:
    """Yield what the statement does, at least one action for each statement."""
    reader = Reader(statement.tokens)
    found = list(_read(statement, reader))
    yield from found or [Action(Kind.OTHER, statement, statement.start, tail=statement.tokens)]


def _read(statement: Statement, reader: Reader) -> Iterator[Action]:
    if reader.accept("ALTER"):
        yield from _alter(statement, reader)
        return
    for word, read in _READERS.items():
        if reader.accept(word):
            yield from read(statement, reader)
            return


def _alter(statement: Statement, reader: Reader) -> Iterator[Action]:
    if reader.accept("TABLE"):
        if reader.accept("ALL"):
            return
        yield from alter_table.read(statement, reader)
    elif reader.accept_any("SCHEMA", "TYPE", "INDEX", "SEQUENCE", "VIEW", "DOMAIN", *_ROUTINES):
        reader.accept("IF", "EXISTS")
        name = reader.name()
        reader.parenthesised()
        kind = {"RENAME": Kind.RENAME_OTHER}.get(reader.keyword(), Kind.OTHER)
        if reader.keyword(1) == "SCHEMA":
            kind = Kind.RENAME_OTHER
        yield Action(kind, statement, statement.start, None, name, tail=reader.rest)


def _create(statement: Statement, reader: Reader) -> Iterator[Action]:
    flags = {"or_replace"} if reader.accept("OR", "REPLACE") else set()
    if reader.accept_any("GLOBAL", "LOCAL", "TEMP", "TEMPORARY"):
        reader.accept_any("TEMP", "TEMPORARY")
        flags.add("temporary")
    if reader.accept_any("UNLOGGED"):
        flags.add("unlogged")
    if reader.accept_any("UNIQUE"):
        flags.add("unique")
    reader.accept("CONSTRAINT")
    start = statement.start
    if reader.accept("TABLE"):
        reader.accept("IF", "NOT", "EXISTS")
        table = reader.name()
        yield Action(Kind.CREATE_TABLE, statement, start, table, flags=frozenset(flags), tail=reader.rest)
    elif reader.accept("INDEX"):
        yield _index(statement, reader, flags)
    elif reader.accept("TRIGGER"):
        name = reader.name()
        reader.until("ON")
        reader.accept("ON")
        yield Action(
            Kind.CREATE_TRIGGER, statement, start, reader.name(), name, flags=frozenset(flags), tail=reader.rest
        )
    elif reader.accept_any(*_ROUTINES):
        name = reader.name()
        arguments = reader.parenthesised()
        flags.add("no_arguments" if not arguments else "arguments")
        yield Action(Kind.CREATE_FUNCTION, statement, start, None, name, flags=frozenset(flags), tail=reader.rest)


def _index(statement: Statement, reader: Reader, flags: set[str]) -> Action:
    if reader.accept("CONCURRENTLY"):
        flags.add("concurrently")
    if reader.accept("IF", "NOT", "EXISTS"):
        flags.add("if_not_exists")
    name = None if reader.keyword() == "ON" else reader.name()
    table = None
    if reader.accept("ON"):
        reader.accept("ONLY")
        table = reader.name()
    if reader.accept("USING"):
        reader.identifier()
    inside = reader.parenthesised()
    columns = tuple(part[0].text if part[0].kind != "quoted" else part[0].identifier for part in cut_at_commas(inside))
    return Action(
        Kind.CREATE_INDEX, statement, statement.start, table, name, columns, flags=frozenset(flags), tail=reader.rest
    )


def _drop(statement: Statement, reader: Reader) -> Iterator[Action]:
    kinds = {"TABLE": Kind.DROP_TABLE, "INDEX": Kind.DROP_INDEX, **dict.fromkeys(_ROUTINES, Kind.DROP_FUNCTION)}
    word = reader.accept_any(*kinds)
    if not word:
        return
    flags = {"concurrently"} if reader.accept("CONCURRENTLY") else set()
    if reader.accept("IF", "EXISTS"):
        flags.add("if_exists")
    for part in cut_at_commas(reader.rest):
        name = Reader(part).name()
        table = name if word == "TABLE" else None
        yield Action(kinds[word], statement, part[0].start, table, name, flags=frozenset(flags), tail=part[1:])


def _one_table(kind: Kind, *skipped: str) -> Callable[[Statement, Reader], Iterator[Action]]:
    """Make a reader of ``<verb> [words] table ...``."""

    def read(statement: Statement, reader: Reader) -> Iterator[Action]:
        flags = set()
        while word := reader.accept_any(*skipped):
            flags.add(word.lower())
        table = reader.name()
        yield Action(kind, statement, statement.start, table, flags=frozenset(flags), tail=reader.rest)

    return read


def _truncate(statement: Statement, reader: Reader) -> Iterator[Action]:
    reader.accept("TABLE")
    for part in cut_at_commas(reader.rest):
        inner = Reader(part)
        inner.accept("ONLY")
        yield Action(Kind.TRUNCATE, statement, statement.start, inner.name(), tail=inner.rest)


def _reindex(statement: Statement, reader: Reader) -> Iterator[Action]:
    options = reader.parenthesised()
    what = reader.accept_any("INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM")
    is_concurrent = reader.accept("CONCURRENTLY") or any(token.keyword == "CONCURRENTLY" for token in options)
    name = reader.name()
    flags = frozenset({"concurrently"} if is_concurrent else ())
    table = name if what == "TABLE" else None
    yield Action(Kind.REINDEX, statement, statement.start, table, name, flags=flags, tail=reader.rest)


def _vacuum(statement: Statement, reader: Reader) -> Iterator[Action]:
    options = [token.keyword for token in reader.parenthesised()]
    while word := reader.accept_any("FULL", "FREEZE", "VERBOSE", "ANALYZE"):
        options.append(word)
    if "FULL" in options:
        yield Action(Kind.REPACK, statement, statement.start, reader.name(), tail=reader.rest)


def _with(statement: Statement, reader: Reader) -> Iterator[Action]:
    """A WITH query writes where a verb of writing stands outside of its parentheses."""
    reader.until("UPDATE", "DELETE", "INSERT")
    yield from _read(statement, reader)


def _transaction(kind: Kind) -> Callable[[Statement, Reader], Iterator[Action]]:
    def read(statement: Statement, _: Reader) -> Iterator[Action]:
        yield Action(kind, statement, statement.start)

    return read


def _rollback(statement: Statement, reader: Reader) -> Iterator[Action]:
    reader.accept_any("WORK", "TRANSACTION")
    if reader.keyword() != "TO":
        yield Action(Kind.COMMIT, statement, statement.start)


def _start(statement: Statement, reader: Reader) -> Iterator[Action]:
    if reader.accept("TRANSACTION"):
        yield Action(Kind.BEGIN, statement, statement.start)


def _set(statement: Statement, reader: Reader) -> Iterator[Action]:
    reader.accept_any("SESSION", "LOCAL")
    name: Name | None = reader.name()
    tail: tuple[Token, ...] = reader.rest
    yield Action(Kind.SET, statement, statement.start, None, name, tail=tail)


_READERS: dict[str, Callable[[Statement, Reader], Iterator[Action]]] = {
    "CREATE": _create,
    "DROP": _drop,
    "TRUNCATE": _truncate,
    "REINDEX": _reindex,
    "VACUUM": _vacuum,
    "CLUSTER": _one_table(Kind.REPACK, "VERBOSE"),
    "REFRESH": _one_table(Kind.REFRESH, "MATERIALIZED", "VIEW", "CONCURRENTLY"),
    "UPDATE": _one_table(Kind.WRITE, "ONLY"),
    "DELETE": _one_table(Kind.WRITE, "FROM", "ONLY"),
    "INSERT": _one_table(Kind.WRITE, "INTO"),
    "DO": _transaction(Kind.DO),
    "SET": _set,
    "BEGIN": _transaction(Kind.BEGIN),
    "START": _start,
    "COMMIT": _transaction(Kind.COMMIT),
    "END": _transaction(Kind.COMMIT),
    "ROLLBACK": _rollback,
    "ABORT": _transaction(Kind.COMMIT),
    "WITH": _with,
}
