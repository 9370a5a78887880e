"""The deployment in containers ends; nothing is left to check after it."""

import signal
import time

import pytest

from tests.compose.deployment import RUNNING, Deployment
from tests.unit.compose_rules import EXPORTERS, STOPS, seconds

pytestmark = pytest.mark.timeout(1200)


def test_containers_end_within_their_grace(deployment: Deployment) -> None:
    longest = max(seconds(deployment.model["services"][name]["stop_grace_period"]) for name in STOPS)
    begun = time.monotonic()
    deployment.compose("stop")
    assert time.monotonic() - begun < longest
    codes = {name: deployment.inspect(name)["State"]["ExitCode"] for name in RUNNING}
    # beat is ended by SIGKILL, as its file says; 137 of another would be the end of its grace. The exporters
    # keep nothing, and end by the signal.
    assert {name: code for name, code in codes.items() if name not in EXPORTERS} == {
        name: 137 if name == "beat" else 0 for name in RUNNING if name not in EXPORTERS
    }
    assert {codes[name] for name in EXPORTERS} <= {0, 2, 128 + signal.SIGTERM}
    logs = deployment.compose("logs", "--no-color", "--tail=200", "primary").stdout
    assert "database system is shut down" in logs
