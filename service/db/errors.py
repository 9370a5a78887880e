"""Why a migration's operation refuses or gives up; ``manage.py migrate`` prints these without a traceback."""

from django.core.management.base import CommandError


class MigrationError(CommandError):
    """The operation did not do its work; its message says what to do."""


class WronglyUsed(MigrationError):
    """In a transaction, through a pooler, or with a file that does not hold what the operation needs."""


class NotListed(MigrationError):
    """The file is not what ``MANIFEST`` lists."""


class DefinitionDiffers(MigrationError):
    """The database has an object of this name that the file did not make."""


class LockNotObtained(MigrationError):
    """Others held the lock through all tries."""


class LongTransaction(MigrationError):
    """A transaction is open that the operation would wait for."""


class BuildFailed(MigrationError):
    """The index is there and cannot be used."""


class NullsLeft(MigrationError):
    """Rows have no value in a column that is to be NOT NULL."""
