"""A RunPython that cannot be reversed.

When: migrations.RunPython without reverse_code.
Why: the release cannot be taken back: migrating backwards stops at this migration.
Remedy: give reverse_code; migrations.RunPython.noop where there is nothing to undo.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.findings import Found
from tuning.migrations.python_source import PythonMigration, argument


def check_python(migration: PythonMigration) -> Iterator[Found]:
    for call in migration.operations("RunPython"):
        if argument(call, 1, "reverse_code") is None:
            yield Found(Outcome.WARN, "RunPython has no reverse_code", line=call.lineno)
