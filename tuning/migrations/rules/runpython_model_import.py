"""A function of RunPython uses today's model.

When: a migration that has RunPython imports from a models module, at its top or inside the function.
Why: the class is that of today's code. When a later migration adds a column, this one asks for it before it exists.
Remedy: model = apps.get_model("app", "Model") in the function.
"""

import ast
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.findings import Found
from tuning.migrations.python_source import PythonMigration


def check_python(migration: PythonMigration) -> Iterator[Found]:
    used = {
        node.id for function in migration.functions_run() for node in ast.walk(function) if isinstance(node, ast.Name)
    }
    for node in ast.walk(migration.tree):
        if not isinstance(node, ast.ImportFrom) or not node.module or _is_djangos(node.module):
            continue
        names = [alias.asname or alias.name for alias in node.names]
        is_model = node.module.split(".")[-1] == "models" or "models" in names
        if is_model and (taken := sorted(used & set(names))):
            yield Found(Outcome.FAIL, f"{', '.join(taken)} is imported from {node.module}", line=node.lineno)


def _is_djangos(module: str) -> bool:
    return module in ("django.db", "django.db.models") or module.startswith("django.db.models.")
