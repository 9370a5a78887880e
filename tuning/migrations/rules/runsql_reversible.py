"""A RunSQL that cannot be reversed.

When: migrations.RunSQL without reverse_sql.
Why: the release cannot be taken back: migrating backwards stops at this migration.
Remedy: give reverse_sql; migrations.RunSQL.noop where there is nothing to undo.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.findings import Found
from tuning.migrations.python_source import PythonMigration, argument


def check_python(migration: PythonMigration) -> Iterator[Found]:
    for call in migration.operations("RunSQL"):
        if argument(call, 1, "reverse_sql") is None:
            yield Found(Outcome.WARN, "RunSQL has no reverse_sql", line=call.lineno)
