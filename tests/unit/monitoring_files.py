"""What monitoring/ asks of Prometheus: the queries of its dashboards and alerts, and the metrics in them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
ALERTS = MONITORING / "alerts.yml"

# What each exporter shows, as its documents list it, of which the dashboards use a part; `make compose-test` asks the
# exporters themselves. Those of PgBouncer have the same names in prometheus-community's and in spreaker's exporter.
OF_EXPORTERS = {
    "pg": {
        "pg_up", "pg_stat_database_xact_commit", "pg_stat_database_xact_rollback", "pg_stat_activity_count",
        "pg_settings_max_connections", "pg_stat_activity_max_tx_duration", "pg_stat_database_blks_hit",
        "pg_stat_database_blks_read", "pg_stat_database_tup_inserted", "pg_stat_database_tup_updated",
        "pg_stat_database_tup_deleted", "pg_stat_database_deadlocks", "pg_locks_count", "pg_database_size_bytes",
        "pg_stat_replication_pg_wal_lsn_diff",
    },
    "pgbouncer": {
        "pgbouncer_up", "pgbouncer_pools_client_active_connections", "pgbouncer_pools_client_waiting_connections",
        "pgbouncer_pools_client_maxwait_seconds", "pgbouncer_pools_server_active_connections",
        "pgbouncer_pools_server_idle_connections", "pgbouncer_pools_server_used_connections",
        "pgbouncer_pools_server_login_connections", "pgbouncer_stats_received_bytes_total",
        "pgbouncer_stats_sent_bytes_total",
    },
    "redis": {
        "redis_up", "redis_commands_processed_total", "redis_keyspace_hits_total", "redis_keyspace_misses_total",
        "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_evicted_keys_total", "redis_expired_keys_total",
        "redis_connected_clients", "redis_blocked_clients", "redis_db_keys", "redis_rejected_connections_total",
    },
}  # fmt: skip
# Of Prometheus itself, and of `hotrow migrations drift --textfile`.
OF_OTHERS = {"up", "hotrow_drift_objects", "hotrow_drift_checked_timestamp_seconds"}


@dataclass(frozen=True, slots=True)
class Query:
    where: str
    expression: str

    @property
    def metrics(self) -> set[str]:
        """Names that are no function, label or recorded rule."""
        bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(by|on)\s*\([^)]*\)|\[[^]]*\]', " ", self.expression)
        return {
            name for name in re.findall(r"(?<![\w:])[a-z]\w*(?![\w:(])(?!\s*\()", bare) if "_" in name or name == "up"
        }


def panels(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text())["panels"]
    return found


def of_dashboards() -> Iterator[Query]:
    for file in DASHBOARDS:
        for panel in panels(file):
            for target in panel["targets"]:
                yield Query(f"{file.stem}: {panel['title']}", target["expr"])


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def of_rules() -> Iterator[Query]:
    for rule in rules():
        yield Query(rule.get("alert") or rule["record"], rule["expr"])


def of_service() -> set[str]:
    """The metrics that docs/howto/observe.md lists; a test of the service compares that table with what it shows."""
    return set(re.findall(r"^\| `(hotrow_\w+)`", (ROOT / "docs/howto/observe.md").read_text(), re.MULTILINE))


def unknown(query: Query) -> set[str]:
    """Metrics of the query that nothing shows."""
    known = of_service() | set().union(*OF_EXPORTERS.values()) | OF_OTHERS
    return {
        name for name in query.metrics if re.sub(r"_(bucket|sum|count)$", "", name) not in known and name not in known
    }
