"""Django's database router: models live on the primary, whatever other ways lead there or to a copy of it."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

REPLICA = "replica"


class Router:
    """Reads go where they are sent by name (``service/db/reads.py``, ``using``), all else to the primary."""

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        # Without this Django would save an object where it was read.
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        # One database under several names.
        return True

    def allow_migrate(self, alias: str, app_label: str, **hints: Any) -> bool:
        return alias == DEFAULT_DB_ALIAS
