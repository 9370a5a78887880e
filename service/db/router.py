"""Django's database router: the other ways to the database, and the copy of it, are for those who name them."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

LANE = "lane"
REPLICA = "replica"
_ONE_DATABASE = frozenset({DEFAULT_DB_ALIAS, LANE, REPLICA})


class Router:
    """Reads go where they are sent by name (``service/db/reads.py``, ``using``); of other aliases it has no opinion."""

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        # Without this Django would save an object where it was read.
        instance = hints.get("instance")
        return DEFAULT_DB_ALIAS if instance is not None and instance._state.db in _ONE_DATABASE else None

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool | None:
        return True if {one._state.db, other._state.db} <= _ONE_DATABASE else None

    def allow_migrate(self, alias: str, app_label: str, **hints: Any) -> bool | None:
        return False if alias in (LANE, REPLICA) else None
