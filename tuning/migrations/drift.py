"""Compare every function and index of the SQL files with a server."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psycopg

from tuning.migrations import definitions, files
from tuning.migrations.definitions import Function
from tuning.migrations.files import Files, FunctionFile, IndexFile

# More of a difference is read in the file itself.
DIFF_LINES = 40


class Outcome(StrEnum):
    SAME = "same"
    MISSING = "missing"
    DIFFERS = "differs"
    EXTRA = "extra"
    INVALID = "invalid"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one file, or of one function that no file made."""

    outcome: Outcome
    name: str
    detail: str = ""

    @property
    def is_drift(self) -> bool:
        return self.outcome not in (Outcome.SAME, Outcome.SKIP)


def compare(dsn: str, root: Path, owner: str | None = None) -> list[Finding]:
    """Compare the server with the files; nothing is changed.

    Args:
        owner: Whose the functions are to be; without it the one that owns most of them.

    Raises:
        psycopg.Error: The server cannot be asked.
        ValueError: The files cannot be understood.
    """
    wanted = files.read(root)
    with psycopg.connect(dsn, autocommit=True, application_name="hotrow drift") as connection:
        # A role may begin every transaction read-only; a replica has no other.
        connection.read_only = False
        refusal = _refusal(connection)
        return [*_functions(connection, wanted, owner, refusal), *_indexes(connection, wanted, refusal)]


def _refusal(connection: psycopg.Connection) -> str:
    """Why the definitions of the files cannot be made here to compare with; empty if they can."""
    row = connection.execute(
        "SELECT pg_is_in_recovery(), has_database_privilege(current_database(), 'TEMPORARY'), current_user"
    ).fetchone()
    assert row is not None
    if row[0]:
        return "this server is a replica, which makes no temporary objects to compare with: ask the primary"
    if not row[1]:
        return (
            f"role {row[2]} may make no temporary objects to compare with: GRANT TEMPORARY ON DATABASE, or ask another"
        )
    return ""


def _functions(connection: psycopg.Connection, wanted: Files, owner: str | None, refusal: str) -> Iterator[Finding]:
    schemas = {file.schema for file in wanted.functions}
    present: dict[tuple[str | None, str], list[Function]] = {}
    for schema in schemas:
        for each in definitions.functions(connection, schema):
            present.setdefault((schema, each.name), []).append(each)
    made = {(file.schema, file.name) for file in wanted.functions}
    owners = Counter(each.owner for name in made for each in present.get(name, []))
    expected = owner or (owners.most_common(1)[0][0] if owners else "")
    for file in wanted.functions:
        found = present.get((file.schema, file.name), [])
        if file.path in wanted.dropped:
            is_there = found and not _is_made_again(file, wanted)
            yield Finding(
                *((Outcome.EXTRA, file.path, "it was to be dropped") if is_there else (Outcome.SAME, file.path))
            )
        else:
            yield _function(connection, file, found, expected, refusal)
    families = {(file.schema, file.family) for file in wanted.functions if not file.replaces}
    for schema, name in sorted(present, key=lambda key: key[1]):
        family = re.sub(r"_v[0-9]+\Z", "", name)
        if (schema, name) not in made and family != name and (schema, family) in families:
            yield Finding(Outcome.EXTRA, f"{schema}.{name}" if schema else name, "no file makes this version")


def _is_made_again(file: FunctionFile, wanted: Files) -> bool:
    """Whether another file makes the same name."""
    return any(other.name == file.name and other.path not in wanted.dropped for other in wanted.functions)


def _function(
    connection: psycopg.Connection, file: FunctionFile, found: list[Function], owner: str, refusal: str
) -> Finding:
    if not found:
        return Finding(Outcome.MISSING, file.path)
    if len(found) > 1:
        return Finding(Outcome.DIFFERS, file.path, f"{len(found)} functions have the name, with other arguments each")
    others = f"its owner is {found[0].owner}, and not {owner}" if found[0].owner != owner else ""
    if refusal:
        return Finding(Outcome.DIFFERS, file.path, others) if others else Finding(Outcome.SKIP, file.path, refusal)
    try:
        made = definitions.function_of(connection, file)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
        return Finding(Outcome.SKIP, file.path, f"the function of the file cannot be made: {str(error).strip()}")
    detail = "\n".join(filter(None, [others, _difference(found[0].lines, made.lines)]))
    return Finding(Outcome.DIFFERS, file.path, detail) if detail else Finding(Outcome.SAME, file.path)


def _indexes(connection: psycopg.Connection, wanted: Files, refusal: str) -> Iterator[Finding]:
    for file in wanted.indexes:
        yield _index(connection, file, file.path in wanted.dropped, refusal)


def _index(connection: psycopg.Connection, file: IndexFile, is_dropped: bool, refusal: str) -> Finding:
    table = definitions.table(connection, file)
    found = definitions.index(connection, file, table) if table is not None else None
    if is_dropped:
        return Finding(*((Outcome.EXTRA, file.path, "it was to be dropped") if found else (Outcome.SAME, file.path)))
    if table is None or found is None:
        return Finding(Outcome.MISSING, file.path, "" if table else f"there is no table {file.table}")
    if not found.is_valid:
        return Finding(Outcome.INVALID, file.path, "a build was ended: migrate again, or drop it and build it anew")
    if refusal:
        return Finding(Outcome.SKIP, file.path, refusal)
    try:
        made = definitions.index_of(connection, file, table)
    except psycopg.errors.InsufficientPrivilege as error:
        return Finding(Outcome.SKIP, file.path, f"the index of the file cannot be made: {str(error).strip()}")
    detail = _difference([found.definition], [made.definition])
    return Finding(Outcome.DIFFERS, file.path, detail) if detail else Finding(Outcome.SAME, file.path)


def _difference(found: list[str], wanted: list[str]) -> str:
    lines = list(difflib.unified_diff(wanted, found, "in the file", "on the server", n=1, lineterm=""))
    return "\n".join(
        lines if len(lines) <= DIFF_LINES else [*lines[:DIFF_LINES], f"and {len(lines) - DIFF_LINES} more"]
    )
