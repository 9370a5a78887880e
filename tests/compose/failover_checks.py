"""The deployment in containers loses its primary: ``hotrow failover`` in the service ``tools``, and what stays so.

After the other checks: the replica is promoted, and what comes after meets another deployment.
"""

import json
from typing import Any

import pytest

from tests.compose.deployment import COMES_BACK_WITHIN_S, PRODUCT, Buyer, Deployment
from tests.compose.engine import docker, wait_for

pytestmark = pytest.mark.timeout(1200)

COMMAND = (
    "failover",
    "--replica=host=replica user=hotrow_monitor dbname=hotrow",
    "--pgbouncer=host=pgbouncer port=6432 user=hotrow_monitor",
    "--config=/var/lib/hotrow/pgbouncer.ini",
    "--json",
)


def failover(deployment: Deployment, *arguments: str) -> dict[str, Any]:
    done = deployment.compose("run", "--rm", "--no-deps", "-T", "tools", *COMMAND, *arguments)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def targets(deployment: Deployment) -> set[str]:
    return {row["host"] for row in deployment.console("SHOW DATABASES") if row["name"].startswith("hotrow")}


def held(deployment: Deployment) -> int:
    rows = deployment.query(f"SELECT sum(held) FROM product_stock WHERE product_id = {PRODUCT}", "replica")
    return int(rows[0][0])


def test_fails_over_to_the_replica(deployment: Deployment) -> None:
    buyer = Buyer(deployment.url, PRODUCT)
    for _ in range(10):
        buyer.reserve()
    position = deployment.query("SELECT pg_current_wal_flush_lsn()")[0][0]
    replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
    wait_for(lambda: deployment.query(replayed, "replica") == [["t"]], COMES_BACK_WITHIN_S)
    before = held(deployment)
    # The engine takes this for a wish, and does not start it again.
    docker(deployment.engine, "kill", "--signal=KILL", deployment.inspect("primary")["Id"])
    plan = failover(deployment)["plan"]
    assert plan["loss"]["since"] is not None
    assert targets(deployment) == {"primary"}
    done = failover(deployment, "--yes")
    assert done["result"]["target"] == "replica:5432"
    assert targets(deployment) == {"replica"}
    buyer.reserve()
    assert held(deployment) == before + 1
    assert deployment.query("SELECT * FROM check_stock_v1()", "replica") == []
    dsn = "host=replica user=hotrow_readonly dbname=hotrow"
    assert deployment.compose("run", "--rm", "--no-deps", "-T", "tools", "verify", f"--dsn={dsn}").returncode == 0


def test_restart_of_pgbouncer_does_not_lead_back(deployment: Deployment) -> None:
    """Neither does the old primary, which comes back and takes writes of nobody."""
    docker(deployment.engine, "start", deployment.inspect("primary")["Id"])
    wait_for(lambda: deployment.is_well("primary"), COMES_BACK_WITHIN_S)
    before, left = held(deployment), deployment.query("SELECT count(*) FROM stock_reservation")
    deployment.kill("pgbouncer")
    wait_for(lambda: deployment.is_well("pgbouncer"), COMES_BACK_WITHIN_S)
    buyer = Buyer(deployment.url, PRODUCT)
    buyer.reserve()
    assert targets(deployment) == {"replica"}
    assert held(deployment) == before + 1
    assert deployment.query("SELECT count(*) FROM stock_reservation") == left
    assert failover(deployment, "--yes")["plan"]["steps"] == []
