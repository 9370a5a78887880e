"""Which lock an action takes on its table, by PostgreSQL's "Explicit Locking" and the page of each command."""

from enum import StrEnum

from tuning.migrations.actions import Action, Kind


class Lock(StrEnum):
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def blocks(self) -> str:
        """Who waits while it is held."""
        return {
            Lock.SHARE_UPDATE_EXCLUSIVE: "other DDL and VACUUM",
            Lock.SHARE: "writes",
            Lock.SHARE_ROW_EXCLUSIVE: "writes",
            Lock.EXCLUSIVE: "writes",
            Lock.ACCESS_EXCLUSIVE: "reads and writes",
        }[self]


_WEAK = {Kind.VALIDATE_CONSTRAINT, Kind.SET_PARAMETERS, Kind.ATTACH_PARTITION}
_EXCLUSIVE = {
    Kind.ADD_COLUMN,
    Kind.DROP_COLUMN,
    Kind.ALTER_TYPE,
    Kind.SET_NOT_NULL,
    Kind.DROP_NOT_NULL,
    Kind.SET_DEFAULT,
    Kind.DROP_DEFAULT,
    Kind.DROP_CONSTRAINT,
    Kind.RENAME_COLUMN,
    Kind.RENAME_TABLE,
    Kind.SET_SCHEMA,
    Kind.MOVE_STORAGE,
    Kind.ALTER_TABLE_OTHER,
    Kind.DROP_TABLE,
    Kind.TRUNCATE,
    Kind.REPACK,
}


def lock_of(action: Action) -> Lock | None:
    """The strongest lock on the action's own table; None for what takes none that matters."""
    is_concurrent = "concurrently" in action.flags
    match action.kind:
        case kind if kind in _EXCLUSIVE:
            return Lock.ACCESS_EXCLUSIVE
        case kind if kind in _WEAK:
            return Lock.SHARE_UPDATE_EXCLUSIVE
        case Kind.ADD_CONSTRAINT:
            return Lock.SHARE_ROW_EXCLUSIVE if action.constraint == "FOREIGN" else Lock.ACCESS_EXCLUSIVE
        case Kind.CREATE_INDEX:
            return Lock.SHARE_UPDATE_EXCLUSIVE if is_concurrent else Lock.SHARE
        case Kind.DROP_INDEX | Kind.DETACH_PARTITION | Kind.REINDEX:
            return Lock.SHARE_UPDATE_EXCLUSIVE if is_concurrent else Lock.ACCESS_EXCLUSIVE
        case Kind.REFRESH:
            return Lock.EXCLUSIVE if is_concurrent else Lock.ACCESS_EXCLUSIVE
        case Kind.CREATE_TRIGGER:
            return Lock.SHARE_ROW_EXCLUSIVE
        case _:
            return None


_ALL = frozenset(
    {
        "AccessShareLock",
        "RowShareLock",
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    }
)
_CONFLICTS = {
    Lock.SHARE_UPDATE_EXCLUSIVE: _ALL - {"AccessShareLock", "RowShareLock", "RowExclusiveLock"},
    Lock.SHARE: _ALL - {"AccessShareLock", "RowShareLock", "ShareLock"},
    Lock.SHARE_ROW_EXCLUSIVE: _ALL - {"AccessShareLock", "RowShareLock"},
    Lock.EXCLUSIVE: _ALL - {"AccessShareLock"},
    Lock.ACCESS_EXCLUSIVE: _ALL,
}


def waits_for(lock: Lock, mode: str) -> bool:
    """Whether the lock has to wait for a mode, as pg_locks names it."""
    return mode in _CONFLICTS[lock]
