"""A historical model goes by another name than its own.

When: a variable takes apps.get_model("app", "Model") and is not called Model.
Why: the reader takes it for another model, or for today's class.
Remedy: Model = apps.get_model("app", "Model").
"""

import ast
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.findings import Found
from tuning.migrations.python_source import PythonMigration, argument


def check_python(migration: PythonMigration) -> Iterator[Found]:
    for function in migration.functions_run():
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                model = _model(node.value)
                name = node.targets[0].id
                if model and name.replace("_", "").lower() not in (model.lower(), f"{model.lower()}model"):
                    yield Found(Outcome.WARN, f"model {model} goes by the name {name}", line=node.lineno)


def _model(value: ast.expr) -> str:
    """The name of the model that ``get_model`` is asked for, given as one string or as two."""
    if not isinstance(value, ast.Call) or getattr(value.func, "attr", "") != "get_model":
        return ""
    named = argument(value, 1, "model_name") or argument(value, 0, "app_label")
    return named.value.rpartition(".")[2] if isinstance(named, ast.Constant) and isinstance(named.value, str) else ""
