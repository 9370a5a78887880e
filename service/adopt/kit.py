"""What the kit brings: its tables, functions and indexes, read from its own migrations.

The migrations are walked and never run, so that a later one is adopted too; none of the kit's
applications needs to be installed, and their tables cannot clash with the project's.
"""

import importlib
import pkgutil
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.functions import Length

from service.db import sqlfiles
from service.db.operations import CreateIndexFromFile, RunSQLFile

# A constraint of the reservations names this lookup, as service/stock/models.py does.
models.CharField.register_lookup(Length)

_APPLICATIONS = ("catalog", "stock")
_BODY = re.compile(r"^AS (?P<quote>\$\w*\$)(?P<body>.*?)(?P=quote);", re.DOTALL | re.MULTILINE)
# What stands for a table of the project, and the catalog that the functions do not read.
_PROJECTS_OWN = {"product_stock", "product", "product_category", "warehouse"}


@dataclass(frozen=True, slots=True)
class KitTable:
    name: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KitFunction:
    name: str
    statement: str
    body: str


@dataclass(frozen=True, slots=True)
class Kit:
    """All in the order in which it is made."""

    tables: tuple[KitTable, ...]
    functions: tuple[KitFunction, ...]
    indexes: dict[str, str]
    triggers: dict[str, str]


def load(connection: BaseDatabaseWrapper, *, has_warehouse: bool) -> Kit:
    """Read the migrations; ``has_warehouse`` says whether the project brings that table itself."""
    state = ProjectState()
    user_app, user_model = settings.AUTH_USER_MODEL.split(".")
    # No constraint leads there: the functions take users' ids as they are.
    state.add_model(ModelState(user_app, user_model, [("id", models.BigAutoField(primary_key=True))]))
    functions: list[KitFunction] = []
    indexes: dict[str, str] = {}
    triggers: dict[str, str] = {}
    for application, operation in _operations():
        if isinstance(operation, RunSQLFile):
            functions.append(_function(operation))
        elif isinstance(operation, CreateIndexFromFile):
            (indexes[PurePosixPath(operation.path).stem],) = sqlfiles.statements(sqlfiles.read(operation.path))
        elif isinstance(operation, migrations.RunSQL):
            if isinstance(operation.sql, str) and operation.sql.startswith("CREATE TRIGGER"):
                triggers[operation.sql.split()[2]] = operation.sql
        else:
            operation.state_forwards(application, state)
    return Kit(_tables(connection, state, has_warehouse=has_warehouse), tuple(functions), indexes, triggers)


def _operations() -> list[tuple[str, migrations.operations.base.Operation]]:
    found = []
    for application in _APPLICATIONS:
        package = importlib.import_module(f"service.{application}.migrations")
        for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
            migration = importlib.import_module(f"{package.__name__}.{name}").Migration
            found += [(application, operation) for operation in migration.operations]
    return found


def _function(operation: RunSQLFile) -> KitFunction:
    text = sqlfiles.read(operation.path)
    match = _BODY.search(text)
    assert match is not None, f"{operation.path} has no body"
    return KitFunction(PurePosixPath(operation.path).stem, text, match["body"])


def _tables(connection: BaseDatabaseWrapper, state: ProjectState, *, has_warehouse: bool) -> tuple[KitTable, ...]:
    made = []
    for application in _APPLICATIONS:
        for model in state.apps.get_app_config(application).get_models():
            name = model._meta.db_table
            if name in _PROJECTS_OWN and (has_warehouse or name != "warehouse"):
                continue
            for each in model._meta.local_fields:
                if isinstance(each, models.ForeignKey):
                    # The project deletes its rows as it did before; none is refused because of the kit.
                    each.db_constraint = False  # type: ignore[attr-defined]  # Django's own, unknown to its stubs
            with connection.schema_editor(collect_sql=True, atomic=False) as editor:
                editor.create_model(model)
            statements = [line.rstrip("; ") for line in editor.collected_sql if not line.startswith("--")]
            if name == "warehouse":
                # The first of a new table: id 1, where the project's counters are said to be.
                statements.append("INSERT INTO warehouse (code, priority) VALUES ('MAIN', 0)")
            made.append(KitTable(name, tuple(statements)))
    return tuple(made)
