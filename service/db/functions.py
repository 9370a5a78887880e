"""Function files: what one makes, what the server has under its name, and whether that is the same."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from service.db import manifest
from service.db.errors import DefinitionDiffers, WronglyUsed
from service.db.sessions import rolled_back
from service.db.tables import IDENTIFIER

_CREATE = re.compile(
    r"^CREATE\s+(?P<replace>OR\s+REPLACE\s+)?(?P<kind>FUNCTION|PROCEDURE)\s+"
    rf"(?:(?P<schema>{IDENTIFIER})\.)?(?P<name>{IDENTIFIER})\s*\(",
    re.IGNORECASE | re.MULTILINE,
)
_STEM = re.compile(r"(?P<name>.+)_v(?P<version>[1-9][0-9]*)")
_BODY = re.compile(r"(\$((?:[a-z_][a-z0-9_]*)?)\$.*?\$\2\$)", re.IGNORECASE | re.DOTALL)
# Splitting at _BODY gives, again and again: what is outside of a body, the body, its tag.
_SPLIT = 3
_HEAD = re.compile(rf"(CREATE OR REPLACE (?:FUNCTION|PROCEDURE) ){IDENTIFIER}\.")

SCHEMA = """coalesce(pg_catalog.to_regnamespace(%s),
    pg_catalog.to_regnamespace(quote_ident(pg_catalog.current_schema())))"""
"""The schema that a file names, or the one that the server takes where it names none."""


@dataclass(frozen=True, slots=True)
class FunctionFile:
    """A file of ``functions/``; ``replaces`` says that its function keeps one name for all versions."""

    path: str
    text: str
    schema: str | None
    name: str
    kind: str
    replaces: bool

    @property
    def previous_path(self) -> str | None:
        """The file of the version before; None for the first."""
        path = PurePosixPath(self.path)
        match = _STEM.fullmatch(path.stem)
        if match is None or match["version"] == "1":
            return None
        return str(path.with_name(f"{match['name']}_v{int(match['version']) - 1}.sql"))

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Function:
    """One function as the server writes it, its schema left out."""

    arguments: str
    definition: str
    is_public: bool
    """Whether PUBLIC may execute it."""


def read(path: str) -> FunctionFile:
    """Read a listed file.

    Raises:
        WronglyUsed: It makes anything but one function, named after the file.
        NotListed: It is not what the manifest lists.
    """
    text = manifest.read(path)
    stem = PurePosixPath(path).stem
    heads = list(_CREATE.finditer("".join(_BODY.split(text)[::_SPLIT])))
    version = _STEM.fullmatch(stem)
    replaces = len(heads) == 1 and heads[0]["replace"] is not None
    if len(heads) != 1 or version is None or heads[0]["name"] != (version["name"] if replaces else stem):
        raise WronglyUsed(
            f"{path} must make one function and be named <name>_v<N>.sql: CREATE FUNCTION <name>_v<N>(...), or CREATE "
            "OR REPLACE FUNCTION <name>(...) for one that keeps its name"
        )
    return FunctionFile(path, text, heads[0]["schema"], heads[0]["name"], heads[0]["kind"].upper(), replaces)


def made(connection: BaseDatabaseWrapper, file: FunctionFile) -> Function:
    """What the file makes: made among the temporary objects of the session, which does not stay."""
    named = re.compile(rf"\b(FUNCTION|PROCEDURE)\s+{re.escape(file.qualified)}\s*(?=\()", re.IGNORECASE)
    parts = _BODY.split(file.text)
    parts[::_SPLIT] = [named.sub(rf"\1 pg_temp.{file.name}", part) for part in parts[::_SPLIT]]
    del parts[2::_SPLIT]
    with rolled_back(connection) as cursor:
        cursor.execute("SET LOCAL check_function_bodies = off")
        # Without parameters psycopg sends the text as it is: a % in it stays a %.
        cursor.execute("".join(parts), None)
        return _functions(cursor, "pg_catalog.pg_my_temp_schema()", [file.name])[0]


def present(connection: BaseDatabaseWrapper, file: FunctionFile) -> list[Function]:
    """The functions that the server has under the name of the file."""
    with connection.cursor() as cursor:
        return _functions(cursor, SCHEMA, [file.schema, file.name])


def found(connection: BaseDatabaseWrapper, file: FunctionFile) -> Function | None:
    """The function of the file as the server has it; None where there is none of its name.

    Raises:
        DefinitionDiffers: It has one that the file did not make.
    """
    there = present(connection, file)
    if not there:
        return None
    wanted = made(connection, file)
    if there != [wanted]:
        raise differs(file, there, wanted)
    return wanted


def differs(file: FunctionFile, there: list[Function], wanted: Function) -> DefinitionDiffers:
    shown = "\n".join(_shown(one) for one in there)
    return DefinitionDiffers(
        f"{file.qualified} is there, and {file.path} did not make it (`hotrow migrations drift` shows the difference). "
        f"Drop it, or put what it says into a new version\n"
        f"--- on the server\n{shown}\n--- in the file\n{_shown(wanted)}"
    )


def _shown(function: Function) -> str:
    return f"{function.definition.strip()}\n-- PUBLIC may {'' if function.is_public else 'not '}execute it"


def _functions(cursor: CursorWrapper, schema: str, parameters: list[str | None]) -> list[Function]:
    cursor.execute(
        "SELECT pg_catalog.pg_get_function_identity_arguments(p.oid), pg_catalog.pg_get_functiondef(p.oid),"  # noqa: S608
        " p.proacl IS NULL OR EXISTS (SELECT FROM pg_catalog.aclexplode(p.proacl) WHERE grantee = 0)"
        f" FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = {schema} AND quote_ident(p.proname) = %s"
        " AND p.prokind IN ('f', 'p') ORDER BY p.oid",
        parameters,
    )
    return [
        Function(arguments, _HEAD.sub(r"\1", definition, count=1), is_public)
        for arguments, definition, is_public in cursor.fetchall()
    ]
