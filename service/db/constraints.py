"""Constraint files: what one says, what the server has under its name, and whether that is the same."""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from django.db.backends.base.base import BaseDatabaseWrapper

from service.db import manifest, sqlfiles, tables
from service.db.errors import DefinitionDiffers, WronglyUsed
from service.db.sessions import rolled_back
from service.db.tables import QUALIFIED, Table

_CONSTRAINT = re.compile(
    rf"ALTER\s+TABLE\s+(?P<table>{QUALIFIED})\s+ADD\s+CONSTRAINT\s+(?P<name>[a-z_][a-z0-9_]*)\s+"
    r"(?P<definition>(?P<kind>CHECK|FOREIGN\s+KEY)\b.*)\bNOT\s+VALID\s*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_REFERENCE = re.compile(rf"\bREFERENCES\s+(?P<table>{QUALIFIED})", re.IGNORECASE)


class State(Enum):
    """What the server has of a constraint."""

    MISSING = "missing"
    NOT_VALID = "not valid"
    VALID = "valid"


@dataclass(frozen=True, slots=True)
class ConstraintFile:
    """The one statement of a file of ``constraints/``, in its parts."""

    name: str
    statement: str
    table: str
    definition: str
    references: str | None


def read(path: str) -> ConstraintFile:
    """Read a listed file.

    Raises:
        WronglyUsed: It holds anything but one CHECK or FOREIGN KEY of its own name, NOT VALID.
        NotListed: It is not what the manifest lists.
    """
    found = sqlfiles.statements(manifest.read(path))
    match = _CONSTRAINT.match(found[0]) if len(found) == 1 else None
    name = PurePosixPath(path).stem
    if match is None or match["name"] != name:
        raise WronglyUsed(
            f"{path} must hold one statement, ALTER TABLE ... ADD CONSTRAINT {name} CHECK or FOREIGN KEY ... NOT VALID"
        )
    reference = _REFERENCE.search(match["definition"]) if match["kind"].upper() != "CHECK" else None
    return ConstraintFile(name, found[0], match["table"], match["definition"], reference and reference["table"])


def state(connection: BaseDatabaseWrapper, file: ConstraintFile, table: Table) -> State:
    """What the server has under the name of the file.

    Raises:
        DefinitionDiffers: Another constraint.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.pg_get_constraintdef(oid), convalidated, nullif(confrelid, 0)"
            "  FROM pg_catalog.pg_constraint WHERE conrelid = %s AND conname = %s",
            [table.oid, file.name],
        )
        row = cursor.fetchone()
    if row is None:
        return State.MISSING
    found, is_valid, referenced = row
    target = tables.find(connection, file.references) if file.references else None
    wanted = _definition(connection, file, table, target)
    if _comparable(found) != _comparable(wanted) or referenced != (target and target.oid):
        raise DefinitionDiffers(
            f"the constraint {file.name} of {table.qualified} is there with another definition\n"
            f"  on the server: {found}\n  in the file:   {wanted}\nDrop that one, or give the new one another name"
        )
    return State.VALID if is_valid else State.NOT_VALID


def _definition(connection: BaseDatabaseWrapper, file: ConstraintFile, table: Table, target: Table | None) -> str:
    """How the server would write the constraint: made on empty copies, which do not stay."""
    with rolled_back(connection) as cursor:
        # A foreign key needs the unique index that it refers to.
        tables.make_copy(cursor, table, "INCLUDING INDEXES" if target else "")
        if target is not None and target.oid != table.oid:
            tables.make_copy(cursor, target, "INCLUDING INDEXES")
        definition = file.definition
        if target is not None:
            definition = _REFERENCE.sub(lambda match: f"REFERENCES {target.copy}", definition, count=1)
        cursor.execute(f"ALTER TABLE {table.copy} ADD CONSTRAINT {file.name} {definition}", None)
        cursor.execute(
            "SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint"
            " WHERE conrelid = pg_catalog.to_regclass(%s) AND conname = %s",
            [table.copy, file.name],
        )
        return str(cursor.fetchone()[0])


def _comparable(definition: str) -> str:
    """Without what says nothing of the rule: NOT VALID, and the schema of what a key refers to."""
    bare = definition.removesuffix(" NOT VALID")
    return re.sub(rf"\b(REFERENCES ){QUALIFIED}(?=\()", r"\1", bare) if bare.startswith("FOREIGN") else bare
