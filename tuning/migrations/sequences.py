"""The safe way to do what an action does, written out as operations of the kit with the action's own names."""

import re

from tuning.migrations.actions import Action, Kind, quoted, text_of
from tuning.migrations.findings import Effect
from tuning.migrations.reading import Reader

# sql/indexes and sql/constraints name a file after its object; NAMEDATALEN leaves 63 bytes.
MAX_NAME_BYTES = 63
_BEHIND_TYPE = (
    "NOT",
    "NULL",
    "DEFAULT",
    "CONSTRAINT",
    "CHECK",
    "UNIQUE",
    "PRIMARY",
    "REFERENCES",
    "GENERATED",
    "COLLATE",
    "STORAGE",
    "COMPRESSION",
)


def safe_sequence(action: Action | None, effect: Effect) -> str:
    """Steps with the files to write; empty where the remedy says all there is."""
    if action is None:
        return ""
    match action.kind:
        case Kind.CREATE_INDEX if "concurrently" not in action.flags and action.table is not None:
            return _index(action)
        case Kind.DROP_INDEX if "concurrently" not in action.flags:
            name = action.name.name if action.name else "index"
            return _steps(f'{_ATOMIC}DropIndexConcurrently("indexes/{name}.sql")')
        case Kind.ADD_CONSTRAINT if action.table is not None:
            return _constraint(action)
        case Kind.SET_NOT_NULL if action.table is not None:
            return _not_null(action)
        case Kind.ADD_COLUMN if action.table is not None:
            return _column(action)
        case Kind.ALTER_TYPE | Kind.RENAME_COLUMN if action.table is not None:
            return _new_column(action)
        case Kind.DROP_COLUMN | Kind.DROP_TABLE:
            what = f"column {action.column}" if action.kind is Kind.DROP_COLUMN else f"table {action.table}"
            return _steps(
                f"release 1: no code names {what}; the model loses it with"
                " migrations.SeparateDatabaseAndState(state_operations=[...])",
                f"release 2, when no process of the old release is left: {_ATOMIC}WithLockTimeout([...]) around"
                f" what drops {what}",
            )
        case Kind.WRITE if action.table is not None and effect is Effect.WRITE:
            return _batched(action)
        case Kind.DROP_FUNCTION | Kind.CREATE_FUNCTION if effect is Effect.BREAKS and action.name is not None:
            stem, version = _versioned(action.name.name)
            return _steps(
                f'release 1: RunSQLFile("functions/{stem}_v{version + 1}.sql"), and code that calls it',
                f'release 2: DropFunction("functions/{action.name.name}.sql")',
            )
        case _:
            return ""


_ATOMIC = "a migration of its own, atomic = False: "
# The ends of a batch, as Backfill gives them.
_RANGE = "id BETWEEN %(first)s AND %(last)s"


def _steps(*steps: str) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def _file(path: str, text: str) -> str:
    return f"sql/{path}:\n" + "\n".join(f"       {line}" for line in text.splitlines())


def _named(action: Action, suffix: str) -> str:
    if action.name is not None:
        return _plain(action.name.name)
    table = action.table.name if action.table else "table"
    return _plain("_".join((table, *action.columns, suffix)))


def _plain(name: str) -> str:
    """The name as a file and the kit's operations can bear it."""
    return re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:MAX_NAME_BYTES]


def _index(action: Action) -> str:
    name = _named(action, "idx")
    text = action.statement.text
    # From ON on the statement stays as it was written: method, columns, INCLUDE, predicate.
    at = next(token.start for token in action.statement.tokens if token.keyword == "ON") - action.statement.start
    unique = "UNIQUE " if "unique" in action.flags else ""
    return _steps(
        _file(f"indexes/{name}.sql", f"CREATE {unique}INDEX CONCURRENTLY {quoted(name)} {text[at:]};"),
        f'{_ATOMIC}CreateIndexFromFile("indexes/{name}.sql")',
    )


def _constraint(action: Action) -> str:
    name = _named(action, {"FOREIGN": "fk", "CHECK": "check", "NOT": "not_null"}.get(action.constraint, "key"))
    table = str(action.table)
    if action.constraint == "NOT":
        return _not_null(action)
    if action.constraint in ("UNIQUE", "PRIMARY"):
        columns = ", ".join(quoted(column) for column in action.columns)
        columns = f"({columns})" + (" NULLS NOT DISTINCT" if "nulls_not_distinct" in action.flags else "")
        deferrable = " DEFERRABLE" if "DEFERRABLE" in action.words else ""
        deferrable += " INITIALLY DEFERRED" if "DEFERRED" in action.words else ""
        word = "UNIQUE" if action.constraint == "UNIQUE" else "PRIMARY KEY"
        return _steps(
            _file(f"indexes/{name}.sql", f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(name)} ON {table} {columns};"),
            f'{_ATOMIC}CreateIndexFromFile("indexes/{name}.sql")',
            _briefly(f"ALTER TABLE {table} ADD CONSTRAINT {name} {word} USING INDEX {name}{deferrable}"),
        )
    if action.constraint not in ("FOREIGN", "CHECK"):
        return ""
    words = action.tail_text().removesuffix("NOT VALID").strip()
    text = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {action.constraint} {words} NOT VALID;"
    return _add_and_validate(name, text)


def _add_and_validate(name: str, text: str) -> str:
    return _steps(
        _file(f"constraints/{name}.sql", text),
        f'{_ATOMIC}AddConstraintNotValid("constraints/{name}.sql")',
        f'{_ATOMIC}ValidateConstraint("constraints/{name}.sql")',
    )


def _not_null(action: Action) -> str:
    file, operation = _filled(str(action.table), action.column)
    return _steps(f"where rows may hold NULL: {file}", operation, _set_not_null(action))


def _set_not_null(action: Action) -> str:
    return f"{_ATOMIC}SetNotNullSafely({_literal(str(action.table))}, {_literal(quoted(action.column))})"


def _filled(table: str, column: str) -> tuple[str, str]:
    """The file that fills a column, and the operation that runs it for one range of keys after another."""
    text = f"UPDATE {table} SET {quoted(column)} = ... WHERE {_RANGE};"  # noqa: S608  # shown, never run
    return _backfill(_plain(f"{table}_{column}"), table, text)


def _backfill(name: str, table: str, text: str) -> tuple[str, str]:
    path = f"backfills/{name}.sql"
    return _file(path, text), f'{_ATOMIC}Backfill("{path}", {_literal(table)}), its key being id'


def _batched(action: Action) -> str:
    """An UPDATE cut into ranges; what else writes rows is cut by hand."""
    table = str(action.table)
    words = [token.keyword for token in action.statement.tokens]
    if words[0] != "UPDATE" or "RETURNING" in words:
        return _steps("a command of the project that goes through the rows by key, one short transaction a batch")
    text = action.statement.text.replace("%", "%%")
    where = next((token for token in action.tail if token.keyword == "WHERE"), None)
    if where is None:
        text = f"{text} WHERE {_RANGE};"
    else:
        head, condition = (part.replace("%", "%%") for part in _cut(action, where.start))
        text = f"{head}WHERE ({condition.strip()}) AND {_RANGE};"
    file, operation = _backfill(_plain(table), table, text)
    return _steps(file, operation)


def _cut(action: Action, where: int) -> tuple[str, str]:
    at = where - action.statement.start
    return action.statement.text[:at], action.statement.text[at + len("WHERE") :]


def _literal(text: str) -> str:
    return repr(text) if '"' in text else f'"{text}"'


def _column(action: Action) -> str:
    table, column, words = str(action.table), action.column, action.words
    if "REFERENCES" in words:
        at = next(n for n, token in enumerate(action.tail) if token.keyword == "REFERENCES")
        target = text_of(action, action.tail[at:])
        name = _named(action, "fk")
        text = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} FOREIGN KEY ({quoted(column)}) {target} NOT VALID;"
        return _steps(f"add {column} without REFERENCES") + "\n" + _shifted(_add_and_validate(name, text))
    kind = _type(action)
    if "UNIQUE" in words or "PRIMARY" in words:
        word = "PRIMARY KEY" if "PRIMARY" in words else "UNIQUE"
        name = _named(action, "pkey" if "PRIMARY" in words else "key")
        text = f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(name)} ON {table} ({quoted(column)});"
        return _steps(
            f"add {column} {kind} without the constraint",
            _file(f"indexes/{name}.sql", text),
            f'{_ATOMIC}CreateIndexFromFile("indexes/{name}.sql")',
            _briefly(f"ALTER TABLE {table} ADD CONSTRAINT {name} {word} USING INDEX {name}"),
        )
    file, operation = _filled(table, column)
    return _steps(
        f"add {column} {kind}, nullable or with a constant default that stays (db_default)",
        file,
        operation,
        _set_not_null(action),
    )


def _type(action: Action) -> str:
    """The column's type as it was written."""
    reader = Reader(action.tail)
    reader.until(*_BEHIND_TYPE)
    return text_of(action, reader.tokens[: reader.at])


def _briefly(statement: str) -> str:
    """A statement that needs a strong lock for a moment."""
    return f"{_ATOMIC}WithLockTimeout([migrations.RunSQL({statement!r})])"


def _shifted(steps: str) -> str:
    lines = steps.splitlines()
    return "\n".join(f"{int(line[0]) + 1}{line[1:]}" if line[:1].isdigit() else line for line in lines)


def _new_column(action: Action) -> str:
    table, column = str(action.table), action.column
    file, operation = _filled(table, f"{column}_new")
    return _steps(
        f"add a new column beside {table}.{column}, nullable; from this release on write both",
        file,
        operation,
        f"the next release reads the new column; the one after it drops {column}",
    )


def _versioned(name: str) -> tuple[str, int]:
    stem, mark, number = name.rpartition("_v")
    return (stem, int(number)) if mark and number.isdigit() else (name, 1)
