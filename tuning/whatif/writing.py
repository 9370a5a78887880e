"""Write an index as a project has it: its SQL file, the manifest, a reversible migration, and the model's Meta."""

import ast
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tuning.migrations import manifest
from tuning.whatif import model_source
from tuning.whatif.definition import Definition
from tuning.whatif.errors import Unwritten
from tuning.whatif.project import App, Model

# django.db.models.Index.max_name_length: a longer one does not pass the project's checks.
MAX_MODEL_NAME = 30
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_KEY = re.compile(r"(?P<column>[a-z_][a-z0-9_]*)(?P<descending>\s+DESC)?", re.IGNORECASE)
_WIDTH = 118


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were made or changed, and what a person should know of them."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """How a model tells the index."""

    model: Model
    fields: list[str]
    include: list[str]

    def expression(self, name: str) -> str:
        """The entry of Meta.indexes; JSON writes lists of texts as Python does."""
        include = f", include={json.dumps(self.include)}" if self.include else ""
        return f'models.Index(fields={json.dumps(self.fields)}, name="{name}"{include})'


def of_app(app: App, definitions: Iterable[Definition]) -> tuple[list[Definition], list[Definition]]:
    """The indexes of the app's tables, and the others: a workload reads tables of several apps."""
    tables = {model.table for model in app.models}
    own: list[Definition] = []
    others: list[Definition] = []
    for each in definitions:
        (own if each.candidate.table in tables else others).append(each)
    return own, others


def write(app: App, definition: Definition, *, drops: bool) -> Written:
    """Write the files of one index; all of them or none, and no file is overwritten.

    Args:
        drops: Whether the migration drops the index, which is there, and builds it again when it is reversed.

    Raises:
        Unwritten: It cannot be done; the message says why.
    """
    notes: list[str] = []
    listed = any(definition.name in model.indexes for model in app.models)
    state = _state(app, definition, notes, wants_listed=drops, is_listed=listed)
    name = definition.name if drops or state is None else _short(definition.name)
    if not _NAME.fullmatch(name):
        raise Unwritten(f"the index name {name!r} needs quotes: name it in lower case, with digits and _")
    if name != definition.name:
        notes.append(f"Django takes {MAX_MODEL_NAME} characters at the most: {definition.name} is named {name}")
    path = f"indexes/{name}.sql"
    new = {} if drops and (app.sql_root / path).is_file() else {app.sql_root / path: _sql(definition, name)}
    number = max((int(found[0]) for each in app.names if (found := re.match(r"\d+", each))), default=0) + 1
    made = app.migrations / f"{number:04d}_{'drop_' if drops else ''}{name}.py"
    new[made] = _migration(app, path, name, state, drops=drops)
    changed: dict[Path, str] = {}
    if state is not None:
        source = state.model.file.read_text(encoding="utf-8")
        edit = model_source.removed(source, state.model.name, name) if drops else (
            model_source.added(source, state.model.name, state.expression(name))
        )  # fmt: skip
        ast.parse(edit)
        changed[state.model.file] = edit
    _refuse(app, new)
    _all_or_none(new, changed, app.sql_root)
    return Written((*new, *changed, app.sql_root / manifest.NAME), tuple(notes))


def _state(app: App, definition: Definition, notes: list[str], *, wants_listed: bool, is_listed: bool) -> _State | None:
    candidate = definition.candidate
    model = next((each for each in app.models if each.table == candidate.table), None)
    if model is None:
        raise Unwritten(f"the app {app.label} has no model of the table {candidate.table}: --app names another")
    if is_listed and not wants_listed:
        raise Unwritten(f"the models of {app.label} have an index named {definition.name} already")
    if wants_listed and not is_listed:
        notes.append(f"{model.name}'s Meta lists no {definition.name}: the migration changes the database alone")
        return None
    keys = [_KEY.fullmatch(each) for each in candidate.columns]
    is_plain = candidate.method == "btree" and candidate.predicate is None and not candidate.unique
    columns = [key["column"].lower() for key in keys if key is not None] + [each.lower() for each in candidate.include]
    if not is_plain or not all(keys) or not all(each in model.columns for each in columns):
        notes.append(f"{model.name}'s Meta is left as it is: Django's Index is not sure to say the same as this SQL")
        return None
    fields = [f"{'-' if key['descending'] else ''}{model.columns[key['column'].lower()]}" for key in keys if key]
    include = [model.columns[each.lower()] for each in candidate.include]
    return _State(model, fields, include)


def _short(name: str) -> str:
    if len(name) <= MAX_MODEL_NAME:
        return name
    ending = f"_{sha256(name.encode()).hexdigest()[:6]}_idx"
    return name[: MAX_MODEL_NAME - len(ending)].rstrip("_") + ending


def _sql(definition: Definition, name: str) -> str:
    about = f"-- {definition.candidate.reason or f'For reads of {definition.candidate.table}.'}\n"
    return about + definition.candidate.named(name, concurrently=True) + ";\n"


def _migration(app: App, path: str, name: str, state: _State | None, *, drops: bool) -> str:
    operation = "DropIndexConcurrently" if drops else "CreateIndexFromFile"
    inside = f'{operation}("{path}")'
    imports = "from django.db import migrations\n"
    body = f"        {inside},\n"
    if state is not None:
        model = state.model.name.lower()
        imports = f"from django.db import migrations{'' if drops else ', models'}\n"
        change = f'migrations.RemoveIndex("{model}", "{name}")' if drops else (
            f'migrations.AddIndex(\n                    "{model}",\n'
            f"                    {state.expression(name)},\n                )"
        )  # fmt: skip
        body = (
            "        migrations.SeparateDatabaseAndState(\n"
            f"            database_operations=[{inside}],\n"
            f"            state_operations=[\n                {change},\n            ],\n        ),\n"
        )
    doing = "Drop" if drops else "Build"
    return (
        f'"""{doing} the index {name}, without blocking writers."""\n\nfrom typing import ClassVar\n\n{imports}\n'
        f"from service.db.operations import {operation}\n\n\nclass Migration(migrations.Migration):\n"
        f'    atomic = False\n    dependencies: ClassVar = [("{app.label}", "{app.leaf}")]\n'
        f"    operations: ClassVar = [\n{body}    ]\n"
    )


def _refuse(app: App, new: Mapping[Path, str]) -> None:
    for path in new:
        if path.exists():
            raise Unwritten(f"{path} is there already: it is not overwritten")
    if any(app.sql_root.rglob("*.sql")) and (found := manifest.differences(app.sql_root)):
        raise Unwritten(f"{app.sql_root / manifest.NAME} is not up to date ({found[0]}): see to that first")


def _all_or_none(new: Mapping[Path, str], changed: Mapping[Path, str], root: Path) -> None:
    """Write everything, and undo it if one write fails."""
    listing = root / manifest.NAME
    kept = {path: path.read_bytes() if path.exists() else None for path in (*changed, listing)}
    made: list[Path] = []
    try:
        for path, text in new.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
        for path, text in changed.items():
            staging = path.with_name(f".{path.name}.{os.getpid()}")
            staging.write_text(text, encoding="utf-8")
            staging.chmod(path.stat().st_mode)
            staging.replace(path)
        manifest.write(root)
    except BaseException as error:
        for path in made:
            path.unlink(missing_ok=True)
        for path, content in kept.items():
            if content is not None:
                path.write_bytes(content)
            elif path == listing:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Unwritten(f"{error.filename}: {error.strerror}; nothing was written") from error
        raise
