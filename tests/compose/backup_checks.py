"""The deployment in containers is copied, and the copy restored, by the service ``backup``."""

import subprocess

import pytest

from tests.compose.deployment import PRODUCT, Buyer, Deployment

pytestmark = pytest.mark.timeout(1200)


def backup(deployment: Deployment, command: str) -> subprocess.CompletedProcess[str]:
    given = f"--env=BACKUP_COMMAND={command}"
    return deployment.compose("run", "--rm", "--no-deps", "-T", given, "backup", is_checked=False)


def test_backup_is_restored_and_checked(deployment: Deployment) -> None:
    before = backup(deployment, "check")
    assert (before.returncode, "holds no backup: take one first" in before.stderr) == (1, True), before.stderr
    Buyer(deployment.url, PRODUCT).reserve()
    taken = backup(deployment, "take")
    assert (taken.returncode, "Took /var/lib/hotrow-backups/" in taken.stdout) == (0, True), taken.stderr
    checked = backup(deployment, "check")
    assert (checked.returncode, "every invariant holds." in checked.stdout) == (0, True), checked.stderr
