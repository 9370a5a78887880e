"""The deployment in containers is copied, and the copy restored, by the service ``backup``."""

import subprocess

import pytest

from tests.compose.deployment import Buyer, Deployment

pytestmark = pytest.mark.timeout(1200)


def backup(deployment: Deployment, command: str) -> subprocess.CompletedProcess[str]:
    given = f"--env=BACKUP_COMMAND={command}"
    return deployment.compose("run", "--rm", "--no-deps", "-T", given, "backup", is_checked=False)


def test_backup_is_restored_and_checked(deployment: Deployment) -> None:
    Buyer(deployment.url, 1).reserve()
    none = backup(deployment, "check")
    assert none.returncode == 1, none.stdout + none.stderr
    taken = backup(deployment, "take")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    checked = backup(deployment, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    print(none.stdout, none.stderr, taken.stdout, taken.stderr, checked.stdout, checked.stderr)
