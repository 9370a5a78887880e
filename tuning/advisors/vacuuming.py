"""When autovacuum would come to a table: the server's formula, with the table's own options before the server's."""

from tuning.observe.relations import Table
from tuning.observe.snapshot import Snapshot

# PostgreSQL's defaults, for settings that a role may not read.
_DEFAULTS = {"autovacuum_vacuum_threshold": 50.0, "autovacuum_vacuum_scale_factor": 0.2}


def option(snapshot: Snapshot, table: Table, name: str) -> float:
    own = table.options.get(name)
    return float(own) if own is not None else snapshot.number(name, _DEFAULTS.get(name, 0.0))


def threshold(snapshot: Snapshot, table: Table) -> float:
    """So many dead rows, and autovacuum comes."""
    base = option(snapshot, table, "autovacuum_vacuum_threshold")
    limit = base + option(snapshot, table, "autovacuum_vacuum_scale_factor") * table.rows
    # From PostgreSQL 18 on; -1 is none.
    most = option(snapshot, table, "autovacuum_vacuum_max_threshold")
    return min(limit, most) if most > 0 else limit


def is_off(snapshot: Snapshot, table: Table) -> bool:
    own = table.options.get("autovacuum_enabled", "true").lower()
    return own in ("false", "off", "no", "0") or snapshot.settings.get("autovacuum") == "off"
