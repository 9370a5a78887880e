"""The safe way to do what an action does, written out as operations of the kit with the action's own names."""

from tuning.migrations.actions import Action, Kind, quoted
from tuning.migrations.findings import Effect

# sql/indexes and sql/constraints name a file after its object; NAMEDATALEN leaves 63 bytes.
MAX_NAME_BYTES = 63


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
                f"release 2, when no process of the old release is left: drop {what}",
            )
        case Kind.WRITE if action.table is not None and effect is Effect.WRITE:
            return _backfill(str(action.table), "a migration of its own, atomic = False")
        case Kind.DROP_FUNCTION | Kind.CREATE_FUNCTION if effect is Effect.BREAKS and action.name is not None:
            stem, version = _versioned(action.name.name)
            return _steps(
                f'release 1: RunSQLFile("functions/{stem}_v{version + 1}.sql"), and code that calls it',
                f'release 2: DropFunction("functions/{stem}_v{version}.sql")',
            )
        case _:
            return ""


_ATOMIC = "a migration of its own, atomic = False: "


def _steps(*steps: str) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def _file(path: str, text: str) -> str:
    return f"sql/{path}:\n" + "\n".join(f"       {line}" for line in text.splitlines())


def _named(action: Action, suffix: str) -> str:
    if action.name is not None:
        return action.name.name
    table = action.table.name if action.table else "table"
    return "_".join((table, *(column for column in action.columns if column.isidentifier()), suffix))[:MAX_NAME_BYTES]


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
        word = "UNIQUE" if action.constraint == "UNIQUE" else "PRIMARY KEY"
        return _steps(
            _file(f"indexes/{name}.sql", f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(name)} ON {table} ({columns});"),
            f'{_ATOMIC}CreateIndexFromFile("indexes/{name}.sql")',
            f"the next migration: ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {word} USING INDEX {quoted(name)}",
        )
    if action.constraint not in ("FOREIGN", "CHECK"):
        return ""
    words = action.tail_text().removesuffix("NOT VALID").strip()
    text = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {action.constraint} {words} NOT VALID;"
    return _add_and_validate(name, text)


def _add_and_validate(name: str, text: str) -> str:
    return _steps(
        _file(f"constraints/{name}.sql", text),
        f'AddConstraintNotValid("constraints/{name}.sql")',
        f'the next migration: ValidateConstraint("constraints/{name}.sql")',
    )


def _not_null(action: Action) -> str:
    return _steps(
        _backfilled(str(action.table), action.column),
        f'{_ATOMIC}SetNotNullSafely("{action.table}", "{action.column}")',
    )


def _backfilled(table: str, column: str) -> str:
    return f'where rows may hold NULL: BackfillInBatches("backfills/{table.replace(".", "_")}_{column}.sql")'


def _column(action: Action) -> str:
    table, column, words = str(action.table), action.column, action.words
    if "REFERENCES" in words:
        at = next(n for n, token in enumerate(action.tail) if token.keyword == "REFERENCES")
        token, last = action.tail[at], action.tail[-1]
        begin = token.start - action.statement.start
        target = action.statement.text[begin : last.start + len(last.text) - action.statement.start]
        name = f"{action.table.name if action.table else ''}_{column}_fk"[:MAX_NAME_BYTES]
        text = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} FOREIGN KEY ({quoted(column)}) {target} NOT VALID;"
        return _steps(f"add {column} without REFERENCES") + "\n" + _shifted(_add_and_validate(name, text))
    kind = action.tail_text().split()[0] if action.tail else "type"
    if "UNIQUE" in words or "PRIMARY" in words:
        name = f"{action.table.name if action.table else ''}_{column}_key"[:MAX_NAME_BYTES]
        text = f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(name)} ON {table} ({quoted(column)});"
        return _steps(
            f"add {column} {kind} without the constraint",
            _file(f"indexes/{name}.sql", text),
            f'{_ATOMIC}CreateIndexFromFile("indexes/{name}.sql")',
            f"the next migration: ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} UNIQUE USING INDEX {quoted(name)}",
        )
    path = f"backfills/{table.replace('.', '_')}_{column}.sql"
    return _steps(
        f"add {column} {kind}, nullable or with a constant default that stays (db_default)",
        f'a migration of its own, atomic = False: BackfillInBatches("{path}")',
        f'a migration of its own, atomic = False: SetNotNullSafely("{table}", "{column}")',
    )


def _shifted(steps: str) -> str:
    lines = steps.splitlines()
    return "\n".join(f"{int(line[0]) + 1}{line[1:]}" if line[:1].isdigit() else line for line in lines)


def _new_column(action: Action) -> str:
    table, column = str(action.table), action.column
    path = f"backfills/{table.replace('.', '_')}_{column}.sql"
    return _steps(
        f"add a new column beside {table}.{column}, nullable; from this release on write both",
        f'a migration of its own, atomic = False: BackfillInBatches("{path}")',
        f"the next release reads the new column; the one after it drops {column}",
    )


def _backfill(table: str, where: str) -> str:
    return _steps(f'{where}: BackfillInBatches("backfills/{table.replace(".", "_")}.sql")')


def _versioned(name: str) -> tuple[str, int]:
    stem, mark, number = name.rpartition("_v")
    return (stem, int(number)) if mark and number.isdigit() else (name, 1)
