"""A function of RunPython names its arguments in its own way.

When: the function that RunPython calls does not take (apps, schema_editor).
Why: Django gives these two by position; other names mislead, and swapped ones write to the wrong thing.
Remedy: def fill(apps, schema_editor); an underscore before a name that is not used is fine.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.findings import Found
from tuning.migrations.python_source import PythonMigration

ARGUMENTS = ["apps", "schema_editor"]


def check_python(migration: PythonMigration) -> Iterator[Found]:
    for function in migration.functions_run():
        names = [argument.arg.lstrip("_") for argument in (*function.args.posonlyargs, *function.args.args)]
        if names != ARGUMENTS:
            yield Found(Outcome.WARN, f"{function.name} takes ({', '.join(names)})", line=function.lineno)
