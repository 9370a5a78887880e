"""What Grafana would do: ask Prometheus for each panel, in the running deployment."""

import json
from typing import Any
from urllib.parse import quote

from tests.compose.deployment import Deployment
from tests.unit.monitoring_files import Query

# What Grafana puts there, wide enough for what was counted while containers were killed.
RATE_INTERVAL = "5m"


def ask(deployment: Deployment, paths: list[str]) -> list[Any]:
    """The data of each path of Prometheus' HTTP API, all of them in one call of its container."""
    script = 'echo "$PATHS" | while read -r path; do wget -q -O - "http://127.0.0.1:9090/api/v1/$path"; echo; done'
    done = deployment.inside("prometheus", script, PATHS="\n".join(paths))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [it["status"] for it in answers] == ["success"] * len(paths), done.stdout[-2000:]
    return [it["data"] for it in answers]


def without_data(deployment: Deployment, queries: list[Query]) -> list[Query]:
    """The queries that show nothing: no series, or none with a number."""
    paths = [f"query?query={quote(query.expression.replace('$__rate_interval', RATE_INTERVAL))}" for query in queries]
    found = ask(deployment, paths)
    return [
        query
        for query, data in zip(queries, found, strict=True)
        if all(series["value"][1] == "NaN" for series in data["result"])
    ]


def targets_down(deployment: Deployment) -> list[str]:
    (found,) = ask(deployment, ["targets?state=active"])
    return [it["labels"]["job"] for it in found["activeTargets"] if it["health"] != "up"]
