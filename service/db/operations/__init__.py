"""Migration operations that apply the files of ``sql/``; any Django project may use them.

A migration names a file and nothing else, so its text lives in one place and a reviewer reads SQL
as SQL. docs/howto/migrations.md shows them at work.
"""

from service.db.operations.backfill import Backfill
from service.db.operations.constraints import AddConstraintNotValid, ValidateConstraint
from service.db.operations.functions import DropFunction, RunSQLFile
from service.db.operations.indexes import CreateIndexFromFile, DropIndexConcurrently
from service.db.operations.lock_timeout import WithLockTimeout
from service.db.operations.not_null import SetNotNullSafely

__all__ = [
    "AddConstraintNotValid",
    "Backfill",
    "CreateIndexFromFile",
    "DropFunction",
    "DropIndexConcurrently",
    "RunSQLFile",
    "SetNotNullSafely",
    "ValidateConstraint",
    "WithLockTimeout",
]

# A written migration names the module of the class: the one that stays, wherever the class moves.
for _name in __all__:
    globals()[_name].__module__ = __name__
